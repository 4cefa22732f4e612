# Prints what nodepool-firstboot wants of an OpenStack meta_data.json, one "word value" a line:
# uuid, hostname, seed (random_seed), key for each of public_keys, and set_mac and set_address of a node set's network. Reads any JSON of that shape, on one line or many.

# The string whose opening quote is at `at` in `text`, unescaped; `at` is left behind the closing quote.
function string(    out, c, e) {
    out = ""
    for (at++; at <= length(text); at++) {
        c = substr(text, at, 1)
        if (c == "\"") {
            at++
            return out
        }
        if (c == "\\") {
            at++
            e = substr(text, at, 1)
            if (e == "n" || e == "r" || e == "t") {
                out = out " "
            } else if (e == "u") {
                at += 4
                out = out "?"
            } else {
                out = out e
            }
        } else {
            out = out c
        }
    }
    return out
}

function value(s) {
    if (depth == 1 && name[1] == "uuid") {
        print "uuid " s
    } else if (depth == 1 && name[1] == "hostname") {
        print "hostname " s
    } else if (depth == 1 && name[1] == "random_seed") {
        print "seed " s
    } else if (depth == 2 && name[1] == "public_keys") {
        print "key " s
    } else if (depth == 2 && name[1] == "meta" && name[2] ~ /^nodepool_set_(mac|address)$/) {
        print substr(name[2], 10) " " s
    }
}

FILENAME ~ /meta_data\.json$/ {
    text = text $0 " "
    next
}

END {
    depth = 0
    at = 1
    # only what may begin something is looked at; numbers and words are stepped over
    while (match(substr(text, at), /["{}\[\],:]/)) {
        at += RSTART - 1
        c = substr(text, at, 1)
        if (c == "\"") {
            s = string()
            if (awaiting) {
                name[depth] = s
            } else {
                value(s)
            }
            continue
        }
        if (c == "{" || c == "[") {
            depth++
            object[depth] = (c == "{")
            name[depth] = ""
        } else if (c == "}" || c == "]") {
            depth--
        }
        # in an object, a string that follows the brace or a comma is a name
        awaiting = (c == "{" || c == ",") && object[depth]
        at++
    }
}
