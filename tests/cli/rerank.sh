# What searches of the library find, in the order of a model that judges pairs: library search, run, mcp, serve with --rerank, beside a model
# of vectors and alone: the scores of /v1/rerank, the same whoever asks; a long query is cut.
. tests/cli/harness

export XDG_DATA_HOME="$dir/data" XDG_STATE_HOME="$dir/state" XDG_CACHE_HOME="$dir/cache"
models=${BUILD:-build}/data/embeddings
mean=$models/bert-mean.gguf rank=$models/bert-rank.gguf
mkdir "$dir/docs"
n=0
for text in 'Stone arch spans streams.' 'Weeds bloom each spring.' 'Water falls over stone.' 'A stone in the water.' 'The fire and the stone.' \
    'Stone is what a wall is of.' 'Water, water, stone.'; do
    n=$((n + 1))
    printf '%s\n' "$text" >"$dir/docs/p$n.txt"
done
run library add "$dir/docs" --embed "$mean"
is "a source" 0 "^docs: vectors of 7 of 7 passages by bert-mean\.gguf, 7 new$" ""

# of an answer or output: "ID SCORE" of each result, a line; JSON has several spellings of a number
found() { grep -o '"score":[-0-9.e]*,"id":"[^"]*"' "$1" | sed 's/"score":\([^,]*\),"id":"\([^"]*\)"/\2 \1/' | awk '{ printf "%s %.14g\n", $1, $2 }'; }
found_by() { # found_by FILE FLAG...: of library search
    to=$1
    shift
    run library search stone water --json "$@"
    is "search $*" 0 '"results":' ""
    found "$dir/out" >"$to"
}
found_by "$dir/words"
found_by "$dir/ranked" --rerank "$rank"
found_by "$dir/both" --embed "$mean"
found_by "$dir/both_ranked" --embed "$mean" --rerank "$rank"
[ "$(wc -l <"$dir/words")" = 6 ] && [ "$(wc -l <"$dir/both")" = 7 ] && pass || fail "searches" "do not find 6 by words and 7 by both"
descends() { sort -k2,2gr "$1" | cmp -s - "$1" && pass || fail "$1" "is not in the order of its scores: $(cat "$1")"; }
descends "$dir/ranked"
descends "$dir/both_ranked"
cmp -s "$dir/words" "$dir/ranked" && fail "ranking" "changes nothing" || pass
same_set() { cut -d' ' -f1 "$1" | sort >"$dir/a" && cut -d' ' -f1 "$2" | sort | cmp -s - "$dir/a" && pass || fail "$1" "has other passages than $2"; }
same_set "$dir/words" "$dir/ranked"
same_set "$dir/both" "$dir/both_ranked"
# A score is of the passage alone, whatever stood beside it.
[ "$(grep -F -x -c -f "$dir/ranked" "$dir/both_ranked")" = 6 ] && pass ||
    fail "scores" "differ with what they are beside: $(cat "$dir/ranked" "$dir/both_ranked")"
run library search stone water --rerank "$rank" --limit 2
is "for people" 0 "^2\. p[0-9]$" ""
[ "$(grep -c '^   docs:[0-9]*:[0-9]*  0\.[0-9]\{4\}$' "$dir/out")" = 2 ] && pass || fail "for people" "not two shares"

# Failures.
long=$(awk 'BEGIN { for (i = 0; i < 200; i++) printf "stone " }')
run library search "$long" --json --rerank "$rank"
is "a query that fills the context" 0 '"results":' ""
found "$dir/out" >"$dir/long_ranked"
descends "$dir/long_ranked"
[ -s "$dir/long_ranked" ] && pass || fail "a query that fills the context" "finds nothing"
run library search stone --rerank "$mean"
is "a model of vectors" 1 "" "^stoker library: --rerank .*bert-mean\.gguf: it judges no pairs of a query and a passage: use a model that ranks$"
run library search stone --rerank "$dir/none.gguf"
is "no such file" 1 "" "none\.gguf: cannot be opened"
run library add "$dir/docs" --rerank "$rank"
is "add, a model that ranks" 2 "" "^stoker library add: --rerank is for search alone; leave it out$"
run library list --source --rerank
is "list, a value that looks like a flag" 0 "docs" ""
unset STOKER_NO_CONFIG
export XDG_CONFIG_HOME="$dir/config" STOKER_LIBRARY_RERANK="$rank" STOKER_MEMORY=300M
run library list
is "list, a setting for searches" 0 "docs" ""
run mcp --library docs
is "mcp, a setting for other commands" 0 "" ""
unset STOKER_LIBRARY_RERANK STOKER_MEMORY
export STOKER_NO_CONFIG=1
run mcp --library docs --memory 300M
is "mcp, memory of no model" 2 "" "^stoker mcp: --memory is for models of searches: name one by --embed or --rerank$"
run run --rerank "$rank" -p Hi
is "run without a library" 2 "" "^stoker run: --rerank is for searches of the library: name its sources by --library$"
run run --library docs --rerank "$mean" -p Hi
is "run, a model of vectors" 1 "" "--rerank .*bert-mean\.gguf gives vectors \(pooling mean\): it is one for --embed"
run library search grampus --rerank "$rank"
is "nothing to rank" 0 "=nothing found" ""

# In a chat: what the model asked for, and the first passage.
run run -p 'Find bridge' --temp 0 --regex 'See \[1\]\.' --library docs --embed "$mean" --rerank "$rank"
is "run" 0 '^\[1\] p[0-9], docs$' '^call: search_library'
first=$(sed -n 's/^\[1\] \(p[0-9]\), docs$/\1/p' "$dir/out")
query=$(sed -n 's/^call: search_library .*"query": *"\([^"]*\)".*/\1/p' "$dir/err" | head -n 1)
run library search "$query" --embed "$mean" --rerank "$rank" --limit 1
is "the same by search" 0 "^1\. $first$" ""

# Over MCP.
printf '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_library","arguments":{"query":"stone water","limit":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}\n' >"$dir/in"
run mcp --library docs --rerank "$rank"
is "mcp" 0 "\[1\] p$(head -n 1 "$dir/ranked" | sed 's/docs:\([0-9]*\):.*/\1/') \(docs\)" ""
run mcp --library docs --embed "$mean" --rerank "$rank"
is "mcp, vectors too" 0 "\[1\] p$(head -n 1 "$dir/both_ranked" | sed 's/docs:\([0-9]*\):.*/\1/') \(docs\)" ""
rm "$dir/in"

command -v curl >/dev/null || {
    skip "the server" "curl is not installed"
    done_testing
    exit
}
patience=$limit # of requests and of a server that starts (seconds)
! grep -q -e __asan_init -e __tsan_init "$stoker" || patience=$((2 * limit))
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
searches() { asks "$1" "$2" "$3" /v1/library/search "$4"; }
finds() { found "$dir/answer" | cmp -s - "$2" && pass || fail "$1" "finds $(found "$dir/answer"), not $(cat "$2")"; }

starts "$ember" --library all --embed "$mean" --rerank "$rank"
grep -q 'the library: what searches find is ranked by bert-rank.gguf$' "$dir/log" && pass || fail "serve" "does not say who ranks"
searches "serve" 200 '"results"' '{"query":"stone water"}'
finds "serve" "$dir/both_ranked"
searches "by words, ranked" 200 '"results"' '{"query":"stone water","mode":"text"}'
finds "by words, ranked" "$dir/ranked"
searches "not ranked" 200 '"results"' '{"query":"stone water","rerank":false}'
finds "not ranked" "$dir/both"
searches "a long query" 200 '"ms":[0-9.]*}$' "{\"query\":\"$long\",\"mode\":\"text\"}"
finds "a long query" "$dir/long_ranked"
# The pair is the query and what people see of a passage.
asks "the route of scores" 200 '"relevance_score"' /v1/rerank '{"query":"stone water","documents":["p3\nWater falls over stone."]}'
awk -v got="$(grep -o '"relevance_score":[-0-9.e]*' "$dir/answer" | cut -d: -f2)" -v want="$(sed -n 's/^docs:3:3 //p' "$dir/ranked")" \
    'BEGIN { exit !(want && (got - want) ^ 2 < 1e-24) }' && pass || fail "the route of scores" "has another one than searches: $(cat "$dir/answer")"
for i in 1 2 3 4 5 6 7 8; do
    curl -s -m $patience "$at/v1/library/search" -d '{"query":"stone water"}' -H 'content-type: application/json' >"$dir/again$i" &
    searching="${searching-} $!"
done
wait $searching
for i in 1 2 3 4 5 6 7 8; do found "$dir/again$i" | cmp -s - "$dir/both_ranked" && pass || fail "eight at a time" "find something else"; done
ends

starts "$mean" --library all --rerank "$rank" --cpu-tier scalar
searches "beside a model of vectors, scalar" 200 '"results"' '{"query":"stone water"}'
finds "beside a model of vectors, scalar" "$dir/both_ranked"
asks "its vectors" 200 '"embedding":\[' /v1/embeddings '{"input":"stone"}'
asks "its scores" 200 '"relevance_score"' /v1/rerank '{"query":"a","documents":["b"]}'
ends
starts "$rank" --library all
searches "a server of scores" 200 '"results"' '{"query":"stone water"}'
finds "a server of scores" "$dir/ranked"
ends
starts "$ember" --library all
searches "without such a model" 400 'rerank.*must be false: this server has no model that ranks' '{"query":"stone","rerank":true}'
searches "not asked for" 200 '"results"' '{"query":"stone water","rerank":false}'
finds "not asked for" "$dir/words"
ends

done_testing
