#!/bin/sh
# The library and MCP servers against their bounds, each measure a line or two: rows of docs/PERFORMANCE.md. Archives, vectors and a model are
# made outside the checkout and removed; one core suffices but for beside.
#
#     index      an archive of ARTICLES pages, four chunks each, is added: chunks a second of a core; peak; the database over its text
#     fifty      one of 50 pages is added: seconds
#     text       searches of that source, two rare words and a common one, warm, over HTTP; by how much the process's peak grew, over its
#                plan's line
#     page       its pages by their addresses, and its articles by their ids, warm, over HTTP
#     vectors    scans of ROWS vectors of 768: read, beside the drive by `stoker disk`, and held in memory, by one thread
#     recall     the 10 nearest of ROWS / 5 vectors, by int8 codes and by the nearest lists, beside those exact in f32: evenly spread, spread
#                out over few directions, and in clusters; how long lists take to be made
#     round      calls of search_library in that source, at POST /mcp: what a chat's round takes without the model's part, but for the tokens
#                of the next prompt. (That this finds all but 16 of them in the cache is tests/serve_library.c's.)
#     tools      searches of 10,000 definitions of tools, from an MCP client to `stoker mcp` and back. (The prompt of 218 tools is
#                tests/deferred_calls.c's.)
#     call       calls of a tool by `stoker mcp` beside those of the same server without it, by turns: the difference
#     code       `code` of the embedded model's plan beside that of BEFORE, a program built of commit 095115ec^
#     beside     two answers while somebody searches that source once a second, over the same alone: tokens/s; a chat model of LAYERS layers
#
#     sh bench/library.sh [MEASURE...]       all but code where BEFORE is not set
#
# ARTICLES (250000: a million chunks), ROWS (1000000), LAYERS (4), N (200 requests a measure), PAIRS (5), BUILD (build), DIR (where 4 GB fit),
# STOKER (build/stoker), BEFORE (a program), PYTHON (/usr/bin/python3, with numpy). Needs curl, and libxml2 as `stoker library add` does.
set -u
cd "$(dirname "$0")/.." || exit 1
. bench/beside.sh
build=${BUILD:-build} articles=${ARTICLES:-250000} rows=${ROWS:-1000000} n=${N:-200}
tool=$build/tests/library_tool ember=models/ember/ember.gguf source=generated
make -s BUILD="$build" "$tool" || exit 1
server=
data=$dir/library-$$
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work" "$model" "$data"' EXIT
mkdir -p "$data" || exit 1

fails() { echo "$*" >&2 && exit 1; }
# took COMMAND...: "SECONDS PROCESSOR-SECONDS PEAK-KIB" of a run that must succeed; what it says is in $work/out
took() {
    "$python" -c 'import resource, subprocess, sys, time
begin = time.monotonic()
with open(sys.argv[1], "w") as out:
    status = subprocess.run(sys.argv[2:], stdout=out, stderr=subprocess.STDOUT).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(status)' "$work/out" "$@" || fails "$*: $(tail -n 1 "$work/out")"
}
# asks WHAT BOUND ARGUMENT...: what bench/library_requests.py prints
asks() {
    what=$1 bound=$2
    shift 2
    "$python" -B bench/library_requests.py "$@" >"$work/lines" || exit 1
    sed "s/^/$what: /; s/\$/; bound $bound/" "$work/lines"
}
starts() { # starts COMMAND FLAG...: a server, $server at $url
    "$stoker" "$@" >"$work/url" 2>"$work/log" &
    server=$!
    until grep -q '^listening on ' "$work/url" && curl -sf -o "$work/health" "$(sed -n 's/^listening on //p' "$work/url")/health"; do
        kill -0 $server 2>/dev/null || fails "$(tail -n 1 "$work/log")"
        sleep 0.1
    done
    url=$(sed -n 's/^listening on //p' "$work/url")
}
ends() { kill "$server" && wait "$server"; server=; }
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status"; }

# added: the source is there; what adding it took is in $work/added
added() {
    [ -e "$data/lib/$source.db" ] && return
    "$tool" zim "$data/$source.zim" "$articles" || fails "no archive"
    took "$stoker" library add "$data/$source.zim" --library "$data/lib/" >"$work/added" || exit 1
    sed -n 's/.* articles, \([0-9]*\) chunks.*/\1/p' "$work/out" >"$work/chunks"
}
measure_index() {
    added
    text=$("$tool" text "$data/lib/$source.db" | sed -n 's/^|//p')
    awk -v chunks="$(cat "$work/chunks")" -v text="$text" -v bytes="$(wc -c <"$data/lib/$source.db")" '{
        printf "index: %.0f chunks in %.1f s of a core, %.0f chunks/s; bound 3000\n", chunks, $2, chunks / $2
        printf "index: peak %.0f MiB; bound 256, in a cgroup of that by tests/library_memory.sh\n", $3 / 1024
        printf "index: database %.0f MB, its text %.0f MB, %.2f; bound 1.2\n", bytes / 1e6, text / 1e6, bytes / text }' "$work/added"
}
measure_fifty() {
    "$tool" zim "$data/fifty.zim" 50 || fails "no archive"
    took "$stoker" library add "$data/fifty.zim" --library "$data/fifty/" >"$work/fifty" || exit 1
    awk '{ printf "fifty: 50 articles in %.3f s; bound 1\n", $1 }' "$work/fifty"
}
measure_text() {
    added
    starts mcp --http 0 --library "$data/lib/"
    before=$(peak)
    asks text '100 ms, p90 300' search "$n" "$url"
    awk -v a="$before" -v b="$(peak)" 'BEGIN { printf "text: the peak grew by %.1f MiB; bound 24, its line of plans\n", (b - a) / 1024 }'
    ends
}
measure_page() {
    added
    starts mcp --http 0 --library "$data/lib/"
    asks page '30 ms' page "$n" "$url"
    ends
}
measure_vectors() {
    "$tool" scan "$data/vectors" "$rows" 768 >"$work/scan" || fails "no vectors"
    drive=$("$stoker" disk "$data/vectors" --json | tr ',{}' '\n\n\n' | sed -n 's/^ *"bytes_per_second": *//p' | sort -g | tail -n 1)
    awk -v drive="${drive:-0}" -v rows="$rows" '
        / ms,/ { sub(/^ +/, ""); what = $0; sub(/ +[0-9.]+ ms.*/, "", what); rate = $0; sub(/ GB.*/, "", rate); sub(/.* /, "", rate)
                 ms = $0; sub(/ ms.*/, "", ms); sub(/.* /, "", ms)
                 if (what ~ /drive/) note = sprintf("%.2f of the drive at %.2f GB/s; bound 0.9", rate * 1e9 / drive, drive / 1e9)
                 else if (what ~ /held/) note = sprintf("%.1f ms a million; bound 60", ms * 1e6 / rows)
                 else note = "no bound"
                 printf "vectors: %s, %.1f ms, %.2f GB/s: %s\n", what, ms, rate, note }' "$work/scan"
    rm -f "$data/vectors"
}
measure_recall() {
    "$tool" recall "$data/vectors" $((rows / 5)) 768 >"$work/lines" || fails "no vectors"
    awk -v rows=$((rows / 5)) '{
        bound = /int8/ || /clusters, by the nearest/ ? "bound 0.98" : /spread out, by the nearest/ ? "bound 0.95" : "no bound"
        printf "recall: %s, of %d vectors; %s\n", $0, rows, bound }' "$work/lines"
    rm -f "$data/vectors"
}
measure_round() {
    added
    starts mcp --http 0 --library "$data/lib/"
    asks round '120 ms' round "$n" "$url"
    ends
}
measure_tools() { asks tools '20 ms' tools "$n" "$stoker"; }
measure_call() { asks call '1 ms' call "$n" "$stoker"; }
code_of() { # code_of PROGRAM: bytes of that part of its plan
    "$1" plan "$ember" --json --memory max | tr ',{}' '\n\n\n' | sed -n 's/^ *"code": *//p'
}
measure_code() {
    [ -n "${BEFORE:-}" ] || { echo "code: BEFORE names no program" && return; }
    awk -v now="$(code_of "$stoker")" -v before="$(code_of "$BEFORE")" 'BEGIN {
        printf "code: %.1f MiB, before %.1f: %.1f MiB more; bound 4\n", now / 1048576, before / 1048576, (now - before) / 1048576 }'
}
measure_beside() {
    added
    make_model qwen3-30b-a3b --layers "${LAYERS:-4}" --type q4_k_m --tokenizer "$ember"
    starts serve "$model" --draft off --port 0 --threads "$threads" --ctx 8192 --memory max --library "$data/lib/"
    asks beside 0.9 beside "$pairs" "$url"
    ends
    rm -f "$model"
}

[ $# -gt 0 ] || set -- index fifty text page vectors recall round tools call ${BEFORE:+code} beside
for measure in "$@"; do
    case $measure in
    index | fifty | text | page | vectors | recall | round | tools | call | code | beside) ;;
    *) fails "no measure $measure" ;;
    esac
    "measure_$measure"
done
