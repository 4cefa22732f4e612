"""What a plan says about images: builds, uploads, and what people asked for by hand."""

from nodepool_lite.plan.actions import Action, ProviderAction


class StartBuild(Action, frozen=True, kw_only=True):
    """Run disk-image-create for a diskimage on this host."""

    diskimage: str
    formats: tuple[str, ...]
    request: str = ""
    long = True

    @property
    def key(self) -> str:
        """One build of a diskimage at a time."""
        return f"build/{self.diskimage}"


class BuildAction(Action, frozen=True, kw_only=True):
    """Something about one build."""

    build: str

    @property
    def key(self) -> str:
        """One action per build at a time."""
        return f"builds/{self.build}"


class FailBuild(BuildAction, frozen=True, kw_only=True):
    """Record that a build ended without a result."""

    inline = True


class RetireBuild(BuildAction, frozen=True, kw_only=True):
    """Mark a build for deletion."""

    inline = True


class DeleteBuild(BuildAction, frozen=True, kw_only=True):
    """Remove a build's files, and then its record."""


class StartUpload(Action, frozen=True, kw_only=True):
    """Upload a build to a provider."""

    build: str
    provider: str
    request: str = ""
    long = True

    @property
    def key(self) -> str:
        """One upload of a build to a provider at a time."""
        return f"upload/{self.build}/{self.provider}"


class UploadAction(Action, frozen=True, kw_only=True):
    """Something about one upload."""

    upload: str

    @property
    def key(self) -> str:
        """The same key as the upload itself."""
        return f"upload/{self.upload}"


class FailUpload(UploadAction, frozen=True, kw_only=True):
    """Record that an upload was interrupted."""

    inline = True


class RetireUpload(UploadAction, frozen=True, kw_only=True):
    """Mark an upload for deletion."""

    inline = True


class DeleteUpload(UploadAction, frozen=True, kw_only=True):
    """Delete the image at the provider, and then the record."""


class DeleteAlienImage(ProviderAction, frozen=True, kw_only=True):
    """Delete an image that carries our mark and that no record knows."""

    image: str

    @property
    def key(self) -> str:
        """One action per image at a time."""
        return f"image/{self.provider}/{self.image}"


class DropRequest(Action, frozen=True, kw_only=True):
    """Remove a wish that cannot or need not be fulfilled; `why` is logged."""

    request: str
    inline = True

    @property
    def key(self) -> str:
        """One action per request at a time."""
        return f"request/{self.request}"
