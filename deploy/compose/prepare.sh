#!/bin/sh
# Runs as root before the services of docker-compose.yml, each time they are started: gives them their folders and secrets, and ends.
#
# /project              the folder with docker-compose.yml: .env, and secrets/ with a file for each secret of yours
# /run/secrets          what our services read
# /run/server-secrets   the passwords of the servers that compose brings; they are made once, and stay
#
# The argument is the folder that the services read aggregation.yaml from.
set -eu
umask 077
ours=1000
servers=999

for folder in /srv/aggregation/logs /srv/aggregation/temp /srv/aggregation/exports /srv/aggregation/.code-server /srv/aggregation/.data; do
    chown "$ours:$ours" "$folder"
done
# What the service before this one has left there, as another user.
find /srv/aggregation/logs /srv/aggregation/temp -xdev ! -user "$ours" -exec chown -h "$ours:$ours" {} +
# What `make demo` or a run on this machine has published: folders of tables and windows. The files in them may be too many to look at each.
find /srv/aggregation/exports -xdev -mindepth 1 -maxdepth 2 ! -user "$ours" -exec chown -hR "$ours:$ours" {} + ||
    echo "exports/ has folders of another user, which could not be given to user $ours: tables in them cannot be published" >&2

# Puts standard input into a file that only the group $2 can read. Readers see the old file or the new one.
keep() {
    cat > "$1.new"
    chown "0:$2" "$1.new"
    chmod 0440 "$1.new"
    mv "$1.new" "$1"
}

# Prints the password $1: one of secrets/, or the one that was made here before, or a new one.
password() {
    if [ -f "/project/secrets/$1" ]; then
        keep "/run/server-secrets/$1" "$servers" < "/project/secrets/$1"
    elif [ ! -s "/run/server-secrets/$1" ]; then
        od -An -N24 -tx1 /dev/urandom | tr -d ' \n' | keep "/run/server-secrets/$1" "$servers"
    fi
    cat "/run/server-secrets/$1"
}

# Refuses .env where it sets the variable $1, in letters of any case: docker-compose.yml sets $1_FILE, and of both none counts.
refuse() {
    if grep -Eiq "^[[:space:]]*(export[[:space:]]+)?$1(_FILE)?[[:space:]]*[=:][[:space:]]*[^[:space:]#]" /project/.env; then
        echo ".env sets $1, and docker-compose.yml brings a $2: take the line out." \
            "The URL of a $2 of your own goes into secrets/$3" >&2
        exit 1
    fi
}

# Refuses .env where it names another aggregation.yaml than the services read: without a word, other tables would be published. $1 is their folder.
refuse_other_tables() {
    folder=${1#./}
    folder=${folder%/}
    mounted=${folder:+$folder/}aggregation.yaml
    mounted=${mounted#./}
    named=$(sed -En 's/^[[:space:]]*(export[[:space:]]+)?AGGREGATION_CONFIG[[:space:]]*[=:][[:space:]]*//Ip' /project/.env | tail -n 1 |
        sed -E "s/^#.*//; s/[[:space:]]+#.*//; s/[[:space:]]+\$//; s/^([\"'\`])(.*)\1\$/\2/; s#^\./##")
    if [ -n "$named" ] && [ "$named" != "$mounted" ]; then
        echo ".env sets AGGREGATION_CONFIG, and in containers $mounted is read instead." \
            "Put your aggregation.yaml into a folder of its own, such as config, and write into .env:" \
            "AGGREGATION_CONFIG=config/aggregation.yaml and AGGREGATION_CONFIG_DIR=./config" >&2
        exit 1
    fi
}

chown "0:$ours" /run/secrets
chown "0:$servers" /run/server-secrets
chmod 0750 /run/secrets /run/server-secrets

postgres=$(password postgres_password)
case $postgres in
    *[!A-Za-z0-9._~-]*)
        echo "secrets/postgres_password goes into a URL: take letters, digits and . _ ~ - only" >&2
        exit 1
        ;;
esac
redis=$(password redis_password)
case $redis in
    *[!A-Za-z0-9._~-]*)
        echo "secrets/redis_password goes into a URL: take letters, digits and . _ ~ - only" >&2
        exit 1
        ;;
esac
printf 'requirepass %s\nmaxmemory-policy noeviction\nsave ""\nappendonly no\nbind * -::*\n' "$redis" | keep /run/server-secrets/redis.conf "$servers"
if [ ! -f /project/secrets/celery_broker_url ]; then
    printf 'redis://:%s@redis:6379/0' "$redis" | keep /run/secrets/celery_broker_url "$ours"
fi
password demo_mysql_password | keep /run/secrets/demo_mysql_password "$ours"
if [ ! -f /project/secrets/dagster_pg_url ]; then
    printf 'postgresql://aggregation:%s@postgres:5432/aggregation' "$postgres" | keep /run/secrets/dagster_pg_url "$ours"
fi
for secret in /project/secrets/*; do
    if [ -f "$secret" ] && [ "$secret" != /project/secrets/postgres_password ] && [ "$secret" != /project/secrets/redis_password ]; then
        keep "/run/secrets/${secret##*/}" "$ours" < "$secret"
    fi
done
if [ -f /project/.env ]; then
    refuse DAGSTER_PG_URL PostgreSQL dagster_pg_url
    refuse CELERY_BROKER_URL Redis celery_broker_url
    refuse_other_tables "${1-}"
    keep /run/secrets/.env "$ours" < /project/.env
else
    keep /run/secrets/.env "$ours" < /dev/null
fi
# What is not in secrets/ any more is gone.
for secret in /run/secrets/*; do
    case ${secret##*/} in
        dagster_pg_url | celery_broker_url | demo_mysql_password) ;;
        *) [ -f "/project/secrets/${secret##*/}" ] || rm -f "$secret" ;;
    esac
done
echo "Folders and secrets are ready"
