# The library searched by words and by vectors in run, mcp and serve: --embed beside a chat's model, alone, or the server's own model; what it
# finds, the plan, modes of the route.
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

# An MCP server: the same, with no other model.
meta='"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
mcp() { # mcp FLAG...: what a client finds for a word that no text has
    printf '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_library","arguments":{"query":"bridge"},%s}}\n' "$meta" >"$dir/in"
    run mcp "$@"
    rm "$dir/in"
}
mcp --library docs
is "mcp, words alone" 0 '"text":"nothing was found"' ""
mcp --library docs --embed "$mean"
is "mcp, vectors" 0 '"text":"\[1\] (arch|weeds) \(docs\)' ""
cp "$dir/out" "$dir/found"
mcp --library docs --embed "$mean" --library-ram 1M --memory 200M
is "mcp, vectors in memory" 0 '"text":"\[1\]' ""
cmp -s "$dir/found" "$dir/out" && pass || fail "mcp, vectors in memory" "find something else"
mcp --library docs --embed "$cls"
is "mcp, another model" 0 "nothing was found" "^stoker mcp: docs: its vectors are of another model, bert-mean\.gguf, so it is searched by words alone; "
mcp --library docs --embed "$mean" --memory 1M
is "mcp, little memory" 2 "" "--memory 1\.0 MiB is too small"
needs=$(sed -n 's/.* needs at least \([0-9]*\)[0-9.]* MiB.*/\1/p' "$dir/err") # of it 80 are for requests
[ "${needs:-0}" -ge 120 ] && pass || fail "mcp, little memory" "the plan needs ${needs:-nothing} MiB"

# Lists of other servers are in that plan, so they are waited for: twice what they have.
cat >"$dir/lists" <<'SERVER'
while read -r line; do
    id=${line#*\"id\":}
    id=${id%%,*}
    case $line in
    *'"method":"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}}\n' "$id" ;;
    *'"method":"tools/list"'*)
        words=$(head -c "$1" /dev/zero | tr '\0' x)
        printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"t","description":"%s","inputSchema":{}}]}}\n' "$id" "$words" ;;
    esac
done
SERVER
beside() { # beside BYTES FLAG...: a server whose list has so many
    printf '{"mcpServers":{"s":{"command":"sh","args":["%s/lists","%s"]}}}\n' "$dir" "$1" >"$dir/servers.json"
    shift
    mcp --library docs --embed "$mean" --mcp "$dir/servers.json" "$@"
}
beside 3000000 --memory 200M
is "mcp, vectors beside other servers" 0 '"text":"\[1\] (arch|weeds) \(docs\)' "^MCP server s: 1 tool$"
for bytes in 100 3000000; do
    before=${needs:-0}
    beside $bytes --memory 1M
    needs=$(sed -n 's/.* needs at least \([0-9]*\)[0-9.]* MiB.*/\1/p' "$dir/err")
done
[ $((${needs:-0} - before)) -ge 5 ] && pass || fail "mcp, a long list" "the plan needs ${needs:-nothing} MiB, with a short one $before"
mcp --library docs --embed "$ember"
is "mcp, a chat's model" 1 "" "^stoker mcp: --embed .*ember\.gguf: it makes no vectors of texts: use an embedding model$"
printf '{"mcpServers":{}}\n' >"$dir/servers.json"
mcp --mcp "$dir/servers.json" --embed "$mean"
is "mcp without a library" 2 "" "^stoker mcp: --embed is for searches of the library: name its sources by --library$"
mcp --library docs --library-ram 1M
is "mcp, memory for no vectors" 2 "" "^stoker mcp: --library-ram is for vectors of the library: name their model by --embed$"

command -v curl >/dev/null || {
    skip "the server" "curl is not installed"
    done_testing
    exit
}
patience=$limit # of requests and of a server that starts (seconds)
! grep -q -e __asan_init -e __tsan_init "$stoker" || patience=$((2 * limit))
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
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

# The server's own model is one of vectors.
starts "$mean" --library docs --library-ram 1M
logs "a server of vectors" "the library: 1 of 1 sources are searched by vectors of bert-mean.gguf too$"
searches "a server of vectors" 200 '"score":0\.03[0-9]*,"id":"docs:' '{"query":"stone"}'
asks "MCP clients of it" 200 '"text":"\[1\] (arch|weeds|walls) \(docs\)' /mcp '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_library","arguments":{"query":"bridge"}}}'
asks "its vectors" 200 '"embedding":\[' /v1/embeddings '{"input":"stone"}'
ends
starts "$mean" --library docs --pooling cls
logs "another pooling" "bert-mean.gguf pools by cls here, but by mean in its file, .* searched by words alone; start it without --pooling$"
searches "another pooling" 400 'must be auto or text: this library has no vectors' '{"query":"stone","mode":"vector"}'
asks "vectors of another pooling" 200 '"embedding":\[' /v1/embeddings '{"input":"stone"}'
ends
starts "$mean" --library docs --pooling mean
logs "the same pooling" "the library: 1 of 1 sources are searched by vectors of bert-mean.gguf too$"
ends
starts "$models/bert-none.gguf" --library docs
logs "a server of rows" "bert-none.gguf makes no vectors of texts, and the library is searched by these"
searches "a server of rows" 200 '"id":"docs:' '{"query":"streams"}'
ends
run serve "$models/bert-rank.gguf" --library docs --library-ram 1M
is "memory for no vectors, of scores" 2 "" "^stoker serve: --library-ram is for vectors of the library: --library and --embed name them$"

# stoker mcp over HTTP, with that model alone.
starts_mcp() { # starts_mcp FLAG...
    : >"$dir/listens"
    "$stoker" mcp --http 0 "$@" >"$dir/listens" 2>"$dir/log" &
    pid=$!
    wait_for $patience grep -q '^listening on ' "$dir/listens" || fail "mcp --http" "does not listen: $(tail -n 1 "$dir/log")"
    at=$(sed 's/^listening on //' "$dir/listens")
    wait_for $patience curl -sf -o /dev/null "$at/health" || fail "mcp --http" "is not healthy"
}
starts_mcp --library all --embed "$mean"
logs "mcp over HTTP" "the library: 1 of 2 sources are searched by vectors of bert-mean.gguf too$"
searches "mcp over HTTP, vectors" 200 '"score":0\.0163934' '{"query":"stone","mode":"vector"}'
asks "mcp over HTTP" 200 '"text":"\[1\] (arch|weeds|walls) \(docs\)' /mcp '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_library","arguments":{"query":"bridge"}}}'
asks "no vectors for others" 404 '' /v1/embeddings '{"input":"stone"}'
ends
run mcp --http 0 --library docs --embed "$mean" --memory 1M
is "mcp over HTTP, little memory" 2 "" "--memory 1\.0 MiB is too small"

done_testing
