#!/bin/sh
# Makes databases, and the user couchmend with the least rights it needs: it is
# a member of each, and of nothing else. It may be run again; a database that
# exists keeps its other members.
#
#   ADMIN_PASSWORD_FILE=… COUCHMEND_PASSWORD_FILE=… setup-couchdb.sh URL DATABASE…
#
# ADMIN and COUCHMEND are the users' names, "admin" and "couchmend" by default.
# No password is an argument of any program.
set -eu
url=${1:?usage: setup-couchdb.sh URL DATABASE…}
shift
admin=${ADMIN:-admin}
user=${COUCHMEND:-couchmend}
admin_password=$(cat "${ADMIN_PASSWORD_FILE:?}")
user_password=$(cat "${COUCHMEND_PASSWORD_FILE:?}")

quote() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# ask METHOD PATH [BODY]: the answer's status, and its body in $answer.
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
ask() {
    {
        printf 'user = "%s:%s"\n' "$(quote "$admin")" "$(quote "$admin_password")"
        printf 'request = "%s"\nurl = "%s"\n' "$1" "$url$2"
        printf 'header = "Content-Type: application/json"\n'
        [ $# -lt 3 ] || printf 'data = "%s"\n' "$(quote "$3")"
    } | curl --silent --show-error --config - --output "$answer" --write-out '%{http_code}'
}

# want STATUSES WHAT STATUS: one of the statuses, or the end.
want() {
    case " $1 " in
    *" $3 "*) ;;
    *)
        echo "$2: $3 $(cat "$answer")" >&2
        exit 1
        ;;
    esac
}

doc=$(printf '{"name":"%s","password":"%s","roles":[],"type":"user"}' "$(quote "$user")" "$(quote "$user_password")")
want "201 409" "user $user" "$(ask PUT "/_users/org.couchdb.user:$user" "$doc")"
for db in "$@"; do
    want "201 202 412" "database $db" "$(ask PUT "/$db")"
    want "200" "rights of $db" "$(ask GET "/$db/_security")"
    case $(cat "$answer") in
    *"\"$user\""*) ;; # a member already
    '{}') echo "$db is open to everybody, $user too: left as it is" ;;
    '{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}'*)
        want "200" "rights of $db" "$(ask PUT "/$db/_security" \
            "{\"admins\":{\"names\":[],\"roles\":[\"_admin\"]},\"members\":{\"names\":[\"$user\"],\"roles\":[\"_admin\"]}}")"
        ;;
    *)
        echo "$db has rights of its own: add $user to members.names of $url/$db/_security yourself" >&2
        exit 1
        ;;
    esac
done
