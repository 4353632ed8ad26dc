#!/bin/sh
# Makes the passwords of compose.yaml in a directory that only its owner can
# enter. What is there already stays.
#
#   deploy/secrets.sh deploy/secrets
set -eu
dir=${1:?usage: secrets.sh DIRECTORY}
umask 077
mkdir -p "$dir"
chmod 0700 "$dir"
for name in couchdb_admin couchdb_couchmend nats_token; do
    if [ ! -s "$dir/$name" ]; then
        # A letter in front: a configuration takes no such word for a number.
        printf 'k%s\n' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >"$dir/$name"
        chmod 0444 "$dir/$name"
    fi
done
