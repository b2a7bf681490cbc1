#!/bin/sh
# Installs what the integration suites need beside Go: a C compiler for the race
# detector, PostgreSQL's programs, wrk, h2load, HAProxy, nginx, curl, Python, Node, Chromium, promtool,
# Redis, Memcached, RabbitMQ, MariaDB. Only on Debian (or a child of it) and only as root; elsewhere
# it says what is missing, and those suites are skipped by name.
# No daemon is started and no database cluster made: the suites start their own
# servers, in temporary folders and on free ports, and end them.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }

missing=""
have gcc || have clang || missing="$missing gcc libc6-dev"
have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
have wrk || missing="$missing wrk"
have h2load || missing="$missing nghttp2-client"
have haproxy || [ -x /usr/sbin/haproxy ] || missing="$missing haproxy"
have nginx || [ -x /usr/sbin/nginx ] || missing="$missing nginx-light"
have curl || missing="$missing curl"
have python3 || missing="$missing python3"
have node || missing="$missing nodejs"
have chromium || have google-chrome || missing="$missing chromium"
have promtool || missing="$missing prometheus"
have redis-server || missing="$missing redis-server"
have memcached || missing="$missing memcached"
have rabbitmq-server || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing="$missing rabbitmq-server"
have mariadbd || [ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
if [ -z "$missing" ]; then
	echo "nothing is missing"
	exit 0
fi

if ! have apt-get || [ "$(id -u)" != 0 ]; then
	echo "missing, and not installed without root and apt-get:$missing"
	echo "the suites that need them are skipped; on Debian: sudo $0"
	exit 0
fi

# Packages may start daemons when they are installed; policy-rc.d forbids it. What is
# changed in /etc for that is put back.
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.conf
log=$(mktemp)
undo() {
	rm -f "$log"
	if [ -n "${made_policy:-}" ]; then rm -f "$policy"; fi
	if [ -n "${saved_cluster:-}" ]; then mv -f "$cluster.before-muster" "$cluster"; fi
}
trap undo EXIT
trap 'exit 1' HUP INT TERM
if [ ! -e "$policy" ]; then
	made_policy=yes
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
quietly() {
	if ! "$@" >"$log" 2>&1; then
		cat "$log"
		echo "could not be installed, and the suites that need them are skipped:$missing"
		exit 0
	fi
}
fetch() { quietly apt-get install -y --no-install-recommends "$@"; }

echo "installing:$missing"
quietly apt-get update
case "$missing" in
*postgresql*)
	fetch postgresql-common
	cp -p "$cluster" "$cluster.before-muster"
	saved_cluster=yes
	printf '\ncreate_main_cluster = false\n' >>"$cluster"
	;;
esac
# shellcheck disable=SC2086 # a list of words
fetch $missing
