#!/bin/sh
# Dumps both databases into the backup that is being made, or fills both from a finished one: databases.sh dump|restore
set -eu
umask 077

password() {
    case $1 in
        airflow) printf %s "$AIRFLOW_DB_PASSWORD" ;;
        mlflow) printf %s "$MLFLOW_DB_PASSWORD" ;;
    esac
}

at() { printf 'postgresql://%s@postgres:5432/%s' "$1" "$1"; }

dump() {
    PGPASSWORD=$(password "$1") pg_dump --format=custom --no-owner --no-privileges --dbname="$(at "$1")" --file="$1.part"
    mv "$1.part" "$1.dump"
}

require_empty() {
    tables=$(PGPASSWORD=$(password "$1") psql -XAtd "$(at "$1")" \
        -c "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
    [ "$tables" = 0 ] || {
        echo "database $1 has $tables tables; a backup is restored only where there is nothing: before the stack's first" \
            "start, or after \`docker compose --profile '*' down --volumes\`, which removes all there is" >&2
        exit 1
    }
}

# Whole or not at all.
fill() {
    PGPASSWORD=$(password "$1") pg_restore --no-owner --no-privileges --exit-on-error --single-transaction \
        --dbname="$(at "$1")" "$1.dump"
}

# As Shelf.alone does it, and only into a backup that has its captions and no databases yet.
enter_partial() {
    exec 9>/backups/.lock
    if ! flock --nonblock 9 || ! mkdir /backups/.partial/databases; then
        echo "another backup is being made in /backups; begin this one anew when that has ended" >&2
        exit 2
    fi
    cd /backups/.partial/databases
}

newest() { (cd /backups && printf '%s\n' [0-9]*Z) | grep -xE '[0-9]{4}(-[0-9]{2}){2}T[0-9]{6}Z' | sort | tail -n 1; }

case $1 in
    dump)
        enter_partial
        dump airflow
        dump mlflow
        ;;
    restore)
        name=${BACKUP:-$(newest)}
        cd "/backups/$name/databases"
        require_empty airflow
        require_empty mlflow
        fill airflow
        fill mlflow
        ;;
    *)
        echo "databases.sh dump|restore" >&2
        exit 2
        ;;
esac
