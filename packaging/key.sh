#!/bin/sh
# Makes the key of the service where there is none yet, for without one it does not start: sh packaging/key.sh [FOLDER]. It is printed nowhere:
# who installs the service reads it in FOLDER/api-key, and gives it to clients.
set -e
folder=${1:-/etc/stoker}
if [ ! -s "$folder/api-key" ]; then
    [ -d "$folder" ] || install -d -m 755 "$folder" # other settings of the service lie there too
    made=$(umask 077 && mktemp "$folder/api-key.XXXXXX")
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$made"
    [ -s "$made" ] && mv "$made" "$folder/api-key"
fi
