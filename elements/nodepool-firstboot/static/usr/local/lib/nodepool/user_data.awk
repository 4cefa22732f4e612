# Takes the host key and the host name out of a #cloud-config of exactly the form that the pool writes: prints
# "hostname NAME" and writes the files host_key and host_key.pub in the directory `dir`. Anything else is left alone.
# In a MIME message, which the pool writes where a label has user data of its own, its part is the one of its file name.
# Follows meta_data.awk, which has stepped over the lines of meta_data.json.

function rest(line) {
    sub(/^[^:]*:[ \t]*/, "", line)
    gsub(/^["']|["']$/, "", line)
    return line
}

{
    sub(/\r$/, "")
}

FNR == 1 {
    ours = ($0 == "#cloud-config")
    several = ($0 ~ /^(Content-Type: multipart|MIME-Version:)/)
    named = 0
}

several && /^--/ {
    ours = 0
    named = 0
}

several && !ours && /filename="nodepool-lite\.cfg"/ {
    named = 1
}

named && $0 == "#cloud-config" {
    ours = 1
    named = 0
}

!ours {
    next
}

/^hostname:/ {
    hostname = rest($0)
}

/^[^ \t#]/ {
    keys = ($0 ~ /^ssh_keys:[ \t]*$/)
    indent = 0
    next
}

keys && /^ +ed25519_private:[ \t]*\|/ {
    match($0, /^ +/)
    indent = RLENGTH + 1
    next
}

keys && /^ +ed25519_public:/ {
    indent = 0
    print rest($0) > (dir "/host_key.pub")
    next
}

keys && indent {
    match($0, /^ */)
    if (RLENGTH < indent) {
        indent = 0
        next
    }
    line = $0
    sub(/^ +/, "", line)
    print line > (dir "/host_key")
}

# after what meta_data.awk says at its end: this name wins
END {
    if (hostname != "") {
        print "hostname " hostname
    }
}
