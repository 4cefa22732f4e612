# Takes the host key and the host name out of a #cloud-config of exactly the form that the pool writes, and puts them
# into the files host_key, host_key.pub and hostname of the directory `dir`. Anything else in the file is left alone.

function rest(line) {
    sub(/^[^:]*:[ \t]*/, "", line)
    gsub(/^["']|["']$/, "", line)
    return line
}

{
    sub(/\r$/, "")
}

NR == 1 && $0 != "#cloud-config" {
    exit
}

/^hostname:/ {
    print rest($0) > (dir "/hostname")
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
