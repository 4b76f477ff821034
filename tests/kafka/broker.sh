#!/usr/bin/env bash
# One Apache Kafka broker in KRaft mode, for tests: no container, no installation.
#   broker.sh libs                  fetch the jars (once; needs Maven)
#   broker.sh start DIR PORT        PORT 0 picks one; PORT+1 is the controller's; prints HOST:PORT
#   broker.sh stop DIR | kill DIR   kill is SIGKILL; a restart keeps the data
# KAFKA_EXTRA (a file of further settings; @PORT@, @CPORT@, @XPORT@ = PORT+2 stand for ports),
# KAFKA_FORMAT (further arguments of the storage's formatting), KAFKA_HEAP (512m), KAFKA_TIER (1: starts faster, 4: runs faster), KAFKA_OWNER (a process: when it
# is gone the broker is killed, so that a killed test run leaves none behind).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cmd=${1:?libs|start|stop|kill}
libs=$here/libs

if [ "$cmd" = libs ]; then
  [ -f "$libs/complete" ] && exit 0
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies
  touch "$libs/complete"
  exit 0
fi

dir=${2:?data folder}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
pidfile=$dir/pid

alive() {
  [ -f "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null &&
    ps -o args= -p "$(cat "$pidfile")" | grep -q "kafka.Kafka $dir/"
}
busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {
  local port=$1
  alive && { echo "already running" >&2; exit 1; }
  if [ "$port" = 0 ]; then
    for _ in $(seq 50); do
      port=$((20000 + RANDOM % 3000 * 4))
      busy "$port" || busy $((port + 1)) || busy $((port + 2)) || break
    done
  fi
  # After a kill the port may be taken a moment longer.
  for _ in $(seq 100); do busy "$port" || busy $((port + 1)) || break; sleep 0.05; done
  cat "$here/server.properties.template" ${KAFKA_EXTRA:+"$KAFKA_EXTRA"} |
    sed -e "s#@PORT@#$port#g; s#@CPORT@#$((port + 1))#g; s#@XPORT@#$((port + 2))#g; s#@DIR@#$dir#g" \
      >"$dir/server.properties"
  local common=(-XX:+UseSerialGC -Dlog4j2.configurationFile="$here/log4j2.yaml" -cp "$libs/*")
  if [ ! -f "$dir/data/meta.properties" ]; then
    # A fixed cluster id: a random one may begin with '-', which -t takes for an option.
    java -Xmx64m -XX:TieredStopAtLevel=1 "${common[@]}" kafka.tools.StorageTool format \
      -t MillraceTestCluster000 -c "$dir/server.properties" ${KAFKA_FORMAT:-} >"$dir/format.log" 2>&1 ||
      { cat "$dir/format.log" >&2; exit 1; }
  fi
  : >"$dir/broker.log"
  nohup java -Xms128m -Xmx"${KAFKA_HEAP:-512m}" -XX:TieredStopAtLevel="${KAFKA_TIER:-1}" \
    -Djava.awt.headless=true "${common[@]}" kafka.Kafka "$dir/server.properties" \
    >"$dir/broker.log" 2>&1 </dev/null &
  local pid=$!
  echo "$pid" >"$pidfile"
  if [ -n "${KAFKA_OWNER:-}" ]; then
    (while kill -0 "$KAFKA_OWNER" 2>/dev/null && kill -0 "$pid" 2>/dev/null; do sleep 1; done
     kill -9 "$pid" 2>/dev/null) >/dev/null 2>&1 </dev/null &
  fi
  for _ in $(seq 1200); do
    grep -q 'Kafka Server started' "$dir/broker.log" && { echo "127.0.0.1:$port"; exit 0; }
    kill -0 "$pid" 2>/dev/null || { tail -20 "$dir/broker.log" >&2; exit 1; }
    sleep 0.05
  done
  echo "not ready after 60 s" >&2
  exit 1
}

end() {
  alive || { rm -f "$pidfile"; exit 0; }
  local pid
  pid=$(cat "$pidfile")
  kill "$1" "$pid"
  for _ in $(seq 400); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$pidfile"; exit 0; }
    sleep 0.05
  done
  kill -9 "$pid"
  rm -f "$pidfile"
}

case $cmd in
start) start "${3:?port, 0 picks one}" ;;
stop) end -TERM ;;
kill) end -KILL ;;
*) echo "libs|start|stop|kill" >&2; exit 2 ;;
esac
