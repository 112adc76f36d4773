# The library searched by words and by vectors in run and serve: --embed beside a chat's model, what it finds, the plan, modes of the route.
. tests/cli/harness

export XDG_DATA_HOME="$dir/data" XDG_STATE_HOME="$dir/state" XDG_CACHE_HOME="$dir/cache"
models=${BUILD:-build}/data/embeddings
mean=$models/bert-mean.gguf cls=$models/bert-cls.gguf
mkdir "$dir/docs" "$dir/bare"
printf 'Stone arch spans streams.\n' >"$dir/docs/arch.txt"
printf 'Weeds bloom each spring.\n' >"$dir/docs/weeds.txt"
printf 'Sand cleans water.\n' >"$dir/bare/sand.txt"
run library add "$dir/docs" --embed "$mean"
is "a source with vectors" 0 "^docs: vectors of 2 of 2 passages by bert-mean\.gguf, 2 new$" ""
run library add "$dir/bare"
is "a source without" 0 "^bare: 1 articles" ""

# The embedded model searches for a word that no text has: by words nothing is found, by vectors what is nearest.
ask() { run run -p 'Find bridge' --temp 0 --regex 'See \[1\] and \[9\]\.' "$@"; }
ask --library docs
is "words alone" 0 "=See [1] and [9]." "^call: search_library"
ask --library docs --embed "$mean"
is "vectors" 0 '^\[1\] (arch|weeds), docs$' "^call: search_library"
ask --library docs --embed "$cls"
is "of another model" 0 "=See [1] and [9]." "^stoker: docs: its vectors are of another model, bert-mean\.gguf, so it is searched by words alone; "
ask --library bare --embed "$mean"
is "none" 0 "=See [1] and [9]." "^stoker: none of the library's sources has vectors, so they are searched by words alone; "
ask --library all --embed "$models/bert-none.gguf"
is "a model that gives rows" 1 "" "bert-none\.gguf makes no vectors of texts"
ask --embed "$mean"
is "without a library" 2 "" "^stoker run: --embed is for searches of the library: name its sources by --library$"

ask --library docs --embed "$mean" --library-ram 1M
is "vectors in memory" 0 '^\[1\] (arch|weeds), docs$' "^call: search_library"
ask --library docs --library-ram 1M
is "memory for no vectors" 2 "" "^stoker run: --library-ram is for vectors of the library: name their model by --embed$"

command -v curl >/dev/null || {
    skip "the server" "curl is not installed"
    done_testing
    exit
}
patience=$limit # of requests and of a server that starts (seconds)
! grep -q -e __asan_init -e __tsan_init "$stoker" || patience=$((2 * limit))
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
# asks WHAT STATUS PATTERN ROUTE BODY: the answer has this status, and matches
asks() {
    got=$(curl -s -m $patience -o "$dir/answer" -w '%{http_code}' "$at$4" -H 'content-type: application/json' -d "$5")
    [ "$got" = "$2" ] && grep -Eq -e "$3" "$dir/answer" && pass || fail "$1" "$got: $(head -c 4000 "$dir/answer")"
}
logs() { grep -q -e "$2" "$dir/log" && pass || fail "$1" "the log has no such line: $(head -c 400 "$dir/log")"; }
searches() { asks "$1" "$2" "$3" /v1/library/search "$4"; }
n_results() { [ "$(grep -o '"rank":' "$dir/answer" | wc -l)" = "$2" ] && pass || fail "$1" "not $2 results: $(head -c 400 "$dir/answer")"; }

starts --library all --embed "$mean"
logs "which are searched by vectors" "the library: 1 of 2 sources are searched by vectors of bert-mean.gguf too$"
searches "words and vectors" 200 '"score":0\.03[0-9]*,"id":"docs:' '{"query":"stone"}'
n_results "words and vectors" 2
searches "words" 200 '"id":"docs:' '{"query":"stone","mode":"text"}'
n_results "words" 1
searches "vectors" 200 '"score":0\.0163934' '{"query":"stone","mode":"vector"}'
n_results "vectors" 2
searches "both, asked for" 200 '"score":0\.03' '{"query":"stone","mode":"hybrid"}'
cp "$dir/answer" "$dir/first"
for i in 1 2 3 4 5 6 7 8; do
    curl -s -m $patience "$at/v1/library/search" -d '{"query":"stone","mode":"hybrid"}' -H 'content-type: application/json' | sed 's/,"ms":.*//' >"$dir/again$i" &
    searching="${searching-} $!"
done
wait $searching
sed -i 's/,"ms":.*//' "$dir/first"
for i in 1 2 3 4 5 6 7 8; do cmp -s "$dir/first" "$dir/again$i" && pass || fail "eight at a time" "find something else"; done
searches "a source without vectors" 200 '"results":\[\{"rank":1,"score":[-0-9.e]*,"id":"bare:' '{"query":"sand","sources":["bare"]}'
asks "a chat" 200 '"status":"completed","query":"[^"]*","results":\[\{"n":1,"title":"' /v1/chat/completions '{"messages":[{"role":"user","content":"Find bridge"}],"temperature":0,"library":{"sources":["docs"],"rounds":2},"max_tokens":60,"stream":true}'
ends
run serve "$ember" --library all --library-ram 1M
is "memory for no vectors" 2 "" "^stoker serve: --library-ram is for vectors of the library: --library and --embed name them$"
starts --library all --embed "$mean" --library-ram 1M
searches "vectors in memory" 200 '"score":0\.03' '{"query":"stone","mode":"hybrid"}'
sed -i 's/,"ms":.*//' "$dir/answer"
cmp -s "$dir/first" "$dir/answer" && pass || fail "vectors in memory" "find something else"
run library add "$dir/docs" --embed "$mean"
printf 'Stone walls keep sheep.\n' >"$dir/docs/walls.txt"
run library add "$dir/docs" --embed "$mean"
searches "vectors that came later" 200 '"id":"docs:3:3"' '{"query":"sheep","mode":"vector"}'
n_results "vectors that came later" 3
ends
starts --library all --embed "$cls"
logs "another model" "docs: its vectors are of another model, bert-mean.gguf, so it is searched by words alone; "
searches "words alone" 200 '"id":"docs:' '{"query":"streams"}'
n_results "words alone" 1
searches "vectors that are not there" 400 'must be auto or text: this library has no vectors' '{"query":"stone","mode":"vector"}'
ends

done_testing
