"""What a plan says about images: builds, uploads, and what people asked for by hand."""

from dataclasses import dataclass

from nodepool_lite.plan.actions import Action, ProviderAction


@dataclass(frozen=True, kw_only=True)
class StartBuild(Action):
    """Run disk-image-create for a diskimage on this host."""

    diskimage: str
    formats: tuple[str, ...]
    request: str = ""
    long = True

    @property
    def key(self) -> str:
        """One build of a diskimage at a time."""
        return f"build/{self.diskimage}"


@dataclass(frozen=True, kw_only=True)
class BuildAction(Action):
    """Something about one build."""

    build: str

    @property
    def key(self) -> str:
        """One action per build at a time."""
        return f"builds/{self.build}"


@dataclass(frozen=True, kw_only=True)
class FailBuild(BuildAction):
    """Record that a build ended without a result."""

    inline = True


@dataclass(frozen=True, kw_only=True)
class RetireBuild(BuildAction):
    """Mark a build for deletion."""

    inline = True


@dataclass(frozen=True, kw_only=True)
class DeleteBuild(BuildAction):
    """Remove a build's files, and then its record."""


@dataclass(frozen=True, kw_only=True)
class StartUpload(Action):
    """Upload a build to a provider."""

    build: str
    provider: str
    request: str = ""
    long = True

    @property
    def key(self) -> str:
        """One upload of a build to a provider at a time."""
        return f"upload/{self.build}/{self.provider}"


@dataclass(frozen=True, kw_only=True)
class UploadAction(Action):
    """Something about one upload."""

    upload: str

    @property
    def key(self) -> str:
        """The same key as the upload itself."""
        return f"upload/{self.upload}"


@dataclass(frozen=True, kw_only=True)
class FailUpload(UploadAction):
    """Record that an upload was interrupted."""

    inline = True


@dataclass(frozen=True, kw_only=True)
class RetireUpload(UploadAction):
    """Mark an upload for deletion."""

    inline = True


@dataclass(frozen=True, kw_only=True)
class DeleteUpload(UploadAction):
    """Delete the image at the provider, and then the record."""


@dataclass(frozen=True, kw_only=True)
class DeleteAlienImage(ProviderAction):
    """Delete an image that carries our mark and that no record knows."""

    image: str

    @property
    def key(self) -> str:
        """One action per image at a time."""
        return f"image/{self.provider}/{self.image}"


@dataclass(frozen=True, kw_only=True)
class DropRequest(Action):
    """Remove a wish that cannot or need not be fulfilled; `why` is logged."""

    request: str
    inline = True

    @property
    def key(self) -> str:
        """One action per request at a time."""
        return f"request/{self.request}"
