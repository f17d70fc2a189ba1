# shellcheck shell=bash
# A cut of the tests of lars-core, for the scripts beside this file, which source it: the hashes of traces, the bits of
# kernels, checkpoints and safetensors files, and files that one Java writes and another reads.

foreign=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
core=$(cd "$foreign/../../.." && pwd)

fail() {
  echo "$@" >&2
  exit 2
}

# The classes of which every test runs, and single tests of one that is too long for this.
classes=(io.github.lars4j.CheckpointTest io.github.lars4j.OldCheckpointTest io.github.lars4j.safetensors.HeaderJsonTest
  io.github.lars4j.safetensors.MapFloatsTest io.github.lars4j.safetensors.SafeTensorsFileTest
  io.github.lars4j.safetensors.SafeTensorsWriterTest io.github.lars4j.safetensors.SegmentsTest)
kernels=io.github.lars4j.internal.kernel.KernelBitsTest

# Builds the classes and the tests, and writes the files that every Java must write too. Sets $work, which is deleted at
# the end, and $host, the Java of the JDK that the build found.
prepare() {
  mkdir -p "$core/target/foreign"
  work=$(mktemp -d "$core/target/foreign/XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$core/../" && ./mvnw --batch-mode --no-transfer-progress -q -Pplanted -Dplanted.work="$work" -pl lars-core -am \
    test-compile)
  local home
  host=""
  while read -r home; do
    if [ -x "$home/bin/java" ] && [ "$(version_of "$home")" -ge 25 ]; then
      host="$home/bin/java"
      break
    fi
  done < <(printf '%s\n' "${JAVA_HOME:-}" && sed -n 's|.*<jdkHome>\(.*\)</jdkHome>.*|\1|p' "$core/../target/jdks.xml")
  [ -n "$host" ] || fail "no JDK 25 or newer was found"
  files "$work/host" "$host"
}

# Prints the feature release of the JDK in a folder, and 0 if there is none.
version_of() {
  local version
  version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release" 2>/dev/null) || true
  echo "${version:-0}"
}

# Runs a class of the tests: the Java's command, "--", the class and its arguments.
run_class() {
  local java=()
  while [ "$1" != -- ]; do
    java+=("$1")
    shift
  done
  shift
  "${java[@]}" -XX:+UseSerialGC -Xmx1g --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
    -cp "$core/target/classes:$core/target/test-classes" "$@"
}

# Has a Java, $2 and so on, write its files to the folder $1/written, and go on from those in $work/host/written, which
# a Java of this machine wrote, to the folder $1/resumed.
files() {
  local to=$1
  shift
  mkdir -p "$to/written" "$to/resumed"
  run_class "$@" -- io.github.lars4j.ForeignFiles write "$to/written"
  run_class "$@" -- io.github.lars4j.ForeignFiles resume "$work/host/written" "$to/resumed"
}

# Flags for the JVM of the tests, beside the Java's command.
test_flags=()

# Runs the cut: the name of what is tested, the traces to run (arguments of the class Trace; none if empty), the tests of
# KernelBitsTest, and the Java's command. Prints what was seen. Returns 1 if anything failed.
run_cut() {
  local name=$1 traces=$2 bits=$3
  shift 3
  local log="$work/log" seen=() failed=0 test selected=()
  if [ -n "$traces" ]; then
    # shellcheck disable=SC2086
    run_class "$@" -- io.github.lars4j.Trace $traces >"$log" 2>&1 || failed=1
    seen+=("traces $(tail -1 "$log")")
    [ $failed -eq 0 ] || cat "$log"
  fi
  for test in ${classes[@]+"${classes[@]}"}; do
    selected+=(--select-class "$test")
  done
  for test in $bits; do
    selected+=(--select-method "$kernels#$test")
  done
  if ! "$@" ${test_flags[@]+"${test_flags[@]}"} -XX:+UseSerialGC -Xmx1g --add-modules=jdk.incubator.vector \
      --enable-native-access=ALL-UNNAMED -jar "$work/launcher.jar" execute --disable-banner --disable-ansi-colors --details=summary --exclude-tag=slow \
      --fail-if-no-tests --class-path "$core/target/classes:$core/target/test-classes" "${selected[@]}" \
      >"$log" 2>&1; then
    failed=1
    cat "$log"
  fi
  seen+=("$(sed -nE 's/^\[ *([0-9]+ tests (successful|aborted|failed)) *\]$/\1/p' "$log" | paste -sd, - |
    sed 's/,/, /g')")
  if files "$work/$name" "$@" >"$log" 2>&1 && diff -r "$work/host" "$work/$name" >>"$log"; then
    seen+=("$(find "$work/$name" -type f | wc -l | tr -d ' ') files have the same bytes")
  else
    failed=1
    seen+=("FILES DIFFER")
    cat "$log"
  fi
  local text
  printf -v text '%s; ' "${seen[@]}"
  echo "$name: $([ $failed -eq 0 ] && echo passes || echo FAILS): ${text%; }"
  return $failed
}
