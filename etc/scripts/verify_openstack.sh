#!/bin/bash
# Whether the OpenStack on this node answers: a token for keystonerc_admin, and then every public endpoint of its catalog,
# asked for something that takes its data base where we know how. By curl, because the openstack client takes
# seconds to start. The last line says what is wrong.
set -eu

rc=${OPENSTACK_RC:-$HOME/keystonerc_admin}
[ -r "$rc" ] || { echo "there is no $rc"; exit 1; }
# shellcheck source=/dev/null
. "$rc"

ask() { curl -sS --noproxy '*' --max-time 30 "$@" 2>&1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -S - > "$work/request" << 'END'
import json, os
env = os.environ.get
user = {"name": env("OS_USERNAME"), "password": env("OS_PASSWORD"), "domain": {"name": env("OS_USER_DOMAIN_NAME", "Default")}}
project = {"name": env("OS_PROJECT_NAME"), "domain": {"name": env("OS_PROJECT_DOMAIN_NAME", "Default")}}
identity = {"methods": ["password"], "password": {"user": user}}
print(json.dumps({"auth": {"identity": identity, "scope": {"project": project}}}))
END

keystone=${OS_AUTH_URL%/}
keystone=${keystone%/v3}/v3
code=$(ask -D "$work/headers" -o "$work/token" -w '%{http_code}' -H 'Content-Type: application/json' \
  -d @"$work/request" "$keystone/auth/tokens") || { echo "keystone at $keystone does not answer: ${code%%[[:cntrl:]]*}"; exit 1; }
[ "$code" = 201 ] || { echo "keystone at $keystone gives no token: it answers $code"; exit 1; }
token=$(tr -d '\r' < "$work/headers" | sed -n 's/^x-subject-token: *//Ip')

python3 -S - "$work/token" > "$work/endpoints" << 'END'
import json, sys
LISTS = {"image": "/v2/images?limit=1", "compute": "/servers?limit=1", "network": "/v2.0/networks?limit=1",
         "placement": "/resource_providers", "identity": ""}
for service in json.load(open(sys.argv[1]))["token"]["catalog"]:
    for endpoint in service["endpoints"]:
        if endpoint["interface"] == "public":
            path = LISTS.get(service["type"])
            print(service["name"], 400 if path is not None else 500, endpoint["url"].rstrip("/") + (path or "/"))
END
[ -s "$work/endpoints" ] || { echo "the catalog of keystone at $keystone is empty"; exit 1; }

wrong=0
while read -r name limit url; do
  code=$(ask -o /dev/null -w '%{http_code}' -H "X-Auth-Token: $token" "$url") || code="nothing (${code%%[[:cntrl:]]*})"
  case $code in
    [1-5]??) [ "$code" -lt "$limit" ] || { echo "$name at $url answers $code"; wrong=1; } ;;
    *) echo "$name at $url answers $code"; wrong=1 ;;
  esac
done < "$work/endpoints"
[ $wrong = 0 ] || exit 1
echo "keystone and $(($(wc -l < "$work/endpoints") - 1)) other endpoints answer"
