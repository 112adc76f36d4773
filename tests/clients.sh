#!/bin/bash
# Real clients against stoker serve with the embedded model: the suites of tests/clients, the official SDKs in a browser among them
# (browser.mjs), and the page (web.mjs), its part of the library too, with and without a key; the suites again with --draft off and with
# drafts (openai, anthropic and ollama in every step, too), whose answers must be the same;
# embeddings.mjs against servers of embedding models; modern.mjs, an MCP client of 2026-07-28 and of before, against stoker mcp over stdio
# and over HTTP, with and without a key, and against stoker serve with a library, whose file_search openai.mjs asks for; and stoker mcp
# before the servers of ../shared/library/mcp (PEERS=../shared/library): the official client against the proxy of 218 tools (peer.mjs), and
# every tool of the servers (mcp_tools.mjs).
#
# Needs node >= 18, npm, the packages of the suites' lock file, which npm installs outside the repository, and Chromium
# (CHROMIUM=path). Where one is absent, says so and counts one skipped test, beside those that suites skip. What is in tests/data must be
# unpacked (make tests does it): without it, and where a suite runs no test at all, it fails.
# The last line is "N passed, N failed, N skipped".
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
stoker=$PWD/${BUILD:-build}/stoker
vector=$PWD/${BUILD:-build}/data/steering/ember/mean-last-raw.gguf
text=$PWD/${BUILD:-build}/data/steering/ember/text.jsonl
encoders=$PWD/${BUILD:-build}/data/embeddings
golden=$PWD/${BUILD:-build}/data/golden
embedded=$PWD/models/ember/ember.gguf
chromium=${CHROMIUM:-/usr/bin/chromium}
peers=$(cd "${PEERS:-../shared/library}" 2>/dev/null && pwd)

skip() {
    echo "skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || skip "node or npm is absent (apt-get install nodejs npm)"
[ -x "$stoker" ] || { echo "$stoker is not built"; exit 1; }
for file in "$vector" "$text"; do
    [ -f "$file" ] || { echo "FAIL $file is absent (make build/data/unpacked)"; exit 1; }
done

dir=$(mktemp -d) || exit 1
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cp tests/clients/.npmrc tests/clients/*.json tests/clients/*.mjs "$dir" && cd "$dir" || exit 1
npm ci --no-audit --no-fund >npm.log 2>&1 || { tail -n 5 npm.log; skip "npm cannot install the clients' packages"; }

starts() { starts_as serve --port "$@"; } # starts FLAG...: a server, at $url
starts_as() { # starts_as COMMAND PORT_FLAG FLAG...
    : >out
    "$stoker" "$1" "$2" 0 "${@:3}" >out 2>log &
    pid=$!
    for _ in $(seq 100); do
        url=$(sed -n 's/^listening on //p' out)
        [ -z "$url" ] || return 0
        sleep 0.1
    done
    tail -n 3 log
    echo "stoker $1 does not listen"
    exit 1
}
ends() {
    kill "$pid" && wait "$pid"
    status=$?
    pid=
    [ "$status" -eq 0 ] || { echo "the server ended with $status"; exit 1; }
}

# An autoencoder of the model's own rows.
"$stoker" activations --text "$text" --window 64 --max-tokens 4000 --layers 3 -o rows.safetensors >sae.log 2>&1 &&
    "$stoker" sae train rows.safetensors -o layers.3 --features 256 --k 8 --epochs 2 --batch 256 >>sae.log 2>&1 ||
    { tail -n 3 sae.log; echo "FAIL no autoencoder is made"; exit 1; }
# Of four features three have a name.
awk 'BEGIN { for (j = 0; j < 256; j++) if (j % 4) printf "%s\"%d\":\"<b>kind</b> %d \\u00e9\"", (j > 1 ? "," : "{"), j, j; print "}" }' >layers.3/labels.json
# The seed: at temperature 1 the model thinks before three answers of four, and one check needs an answer with reasoning.
# Vector and autoencoder are loaded and, the vector at scale 0, change nothing unless a request asks for it.
starts --ctx 8192 --memory 1G --seed 2 --roofs on --control-vector-scaled "$vector:0" --sae layers.3
BASE_URL=$url node run.mjs openai anthropic ollama raw >suites.log 2>&1
: >web.log
[ ! -x "$chromium" ] || BASE_URL=$url CHROMIUM=$chromium OUT=pictures PATIENCE=5 node run.mjs web >web.log 2>&1 # a machine that runs other tests is slow
cat suites.log web.log | grep -E '^FAIL|: [0-9]+ passed'
ends

# sums LOG: its counts, as its last line and on standard output
sums() {
    echo "$(grep -c '^ok ' "$1.log") passed, $(grep -c '^FAIL' "$1.log") failed, $(grep -c '^skip' "$1.log") skipped" >>"$1.log"
    grep '^FAIL' "$1.log"
    echo "$1: $(tail -n 1 "$1.log")"
}
told() { node -e 'fetch(process.argv[1] + "/metrics").then(async r => console.log(await r.text()))' "$url" >"metrics.$name"; }

# records NAME SUITES FLAG...: what suites say of a server, on standard output; its answers, and what it counted
records() {
    name=$1 suites=$2
    shift 2
    starts "$@"
    : >proxy
    node recorder.mjs "$url" "answers.$name" >proxy &
    recorder=$!
    for _ in $(seq 100); do [ -s proxy ] && break || sleep 0.1; done
    case $name in
    *off) export WITHOUT_DRAFTS=1 ;;
    *) unset WITHOUT_DRAFTS ;;
    esac
    BY_PROXY=1 BASE_URL=$(cat proxy) CHROMIUM=$chromium OUT=pictures.$name PATIENCE=5 node run.mjs $suites 2>&1
    told
    mv "metrics.$name" "metrics.suites.$name"
    # Short answers may be over before drafts are known to be worth their time: a long one that repeats itself is among what is compared.
    for _ in 1 2 3 4 5; do
        node -e 'fetch(process.argv[1] + "/v1/completions", { method: "POST", body: process.argv[2] }).then(r => r.text())' "$(cat proxy)" \
            '{"prompt": "Write a short story about a bear and a drum.", "max_tokens": 400, "ignore_eos": true, "temperature": 0}'
        told
        case $name in *auto) grep -q '^stoker_drafted_tokens_total [1-9]' "metrics.$name" && break ;; *) break ;; esac
    done
    kill $recorder && wait $recorder
    ends
}
drafts() { # drafts NAME: it has drafted, in the suites, or with auto at least in what came behind them
    case $1 in *auto) from=metrics.$1 ;; *) from=metrics.suites.$1 ;; esac
    grep -q '^stoker_drafted_tokens_total [1-9]' "$from" && echo "ok   --draft $1 drafts" || echo "FAIL --draft $1 drafts nothing"
}
: >drafts.log
for draft in off ngram auto model; do
    [ $draft = model ] && flag=$embedded || flag=$draft # a second model: the first one's file
    records $draft "openai anthropic ollama" --ctx 8192 --memory 2G --seed 2 --control-vector-scaled "$vector:0" --draft "$flag" >suite.log
    sed "s/^\(ok\|FAIL\|skip\) */&--draft $draft: /" suite.log >>drafts.log
done
# Requests by hand, and the page.
suites=raw
[ ! -x "$chromium" ] || suites="raw web"
for draft in off auto; do
    records raw.$draft "$suites" --ctx 8192 --memory 1G --seed 2 --control-vector-scaled "$vector:0" --sae layers.3 --draft $draft >suite.log
    sed "s/^\(ok\|FAIL\|skip\) */&--draft $draft: /" suite.log >>drafts.log
done
# A model of random weights with a layer that predicts: what it says is not what the suites expect, and the same with drafts and without.
for draft in off mtp; do
    records layer.$draft openai "$golden/glm4moe.gguf" --ctx 4096 --memory 1G --seed 2 --draft $draft >layer.$draft.log
done
{
    grep -q '^stoker_drafted_tokens_total 0$' metrics.off && echo "ok   --draft off drafts nothing" || echo "FAIL --draft off drafts"
    grep -q '^stoker_drafted_tokens_total 0$' metrics.raw.off && echo "ok   --draft off drafts nothing, raw" || echo "FAIL --draft off drafts, raw"
    drafts ngram && drafts auto && drafts model && drafts raw.auto && drafts layer.mtp
    node recorder.mjs --compare answers.off answers.ngram answers.auto answers.model || echo "FAIL the comparison of answers"
    node recorder.mjs --compare answers.raw.off answers.raw.auto || echo "FAIL the comparison of answers, of requests by hand and the page"
    node recorder.mjs --compare answers.layer.off answers.layer.mtp || echo "FAIL the comparison of answers, of a layer that predicts"
} >>drafts.log 2>&1
sums drafts

: >embeddings.log
for model in bert-mean nomic-bert gemma-embed-dense qwen3-embed; do
    [ -f "$encoders/$model.gguf" ] || { echo "FAIL $model: $encoders/$model.gguf is absent (make build/data/unpacked)" >>embeddings.log && continue; }
    starts "$encoders/$model.gguf" --threads 1
    for _ in $(seq 100); do
        node -e 'fetch(process.argv[1] + "/health").then(r => process.exit(r.ok ? 0 : 1))' "$url" && break
        sleep 0.1
    done
    node embeddings.mjs "$url" "$encoders/$model.json" --model "$model" >one.log 2>&1 || echo "FAIL $model: status $?" >>one.log
    sed "s/^\(ok\|FAIL\) */&$model: /" one.log >>embeddings.log
    ends
done
sums embeddings

# MCP clients.
: >mcp.log
mkdir passages
printf 'Rope bridge\n\nA bridge of rope hangs over the river.\n' >passages/bridge.txt
echo key-of-a-client >mcp-keys
"$stoker" library add passages --library mcp-db >add.log 2>&1 || echo "FAIL stoker library add: $(tail -n 1 add.log)" >mcp.log
asks() { # asks WHAT ARGUMENT...
    node modern.mjs --dual --tool search_library --args '{"query":"bridge"}' "${@:2}" >one.log 2>&1 || echo "FAIL status $?" >>one.log
    sed "s/^\(ok\|FAIL\) */&$1: /" one.log >>mcp.log
}
asks "over stdio" -- "$stoker" mcp --library mcp-db/
starts_as mcp --http --library mcp-db/
asks "over HTTP" --url "$url/mcp"
ends
starts_as mcp --http --library mcp-db/ --api-key-file mcp-keys
asks "with a key" --key key-of-a-client --url "$url/mcp"
ends
starts --memory 1G --library mcp-db/
for _ in $(seq 100); do
    node -e 'fetch(process.argv[1] + "/health").then(r => process.exit(r.ok ? 0 : 1))' "$url" && break
    sleep 0.1
done
asks "beside a model" --url "$url/mcp"
BASE_URL=$url ONLY='^responses: file_search' node run.mjs openai >one.log 2>&1 || echo "FAIL status $?" >>one.log
sed "s/^\(ok\|FAIL\|skip\) */&with a library: /" one.log >>mcp.log
ends
sums mcp

# stoker mcp before other servers: the official client against a proxy of 218 tools, and every tool of both servers over every transport.
skipped=0 logs_of_peers=
if [ -z "$peers" ]; then
    echo "skipped: MCP servers behind stoker mcp: ../shared/library is absent (PEERS=folder names it)"
    skipped=1
elif ! { mkdir peers && cp "$peers"/package.json "$peers"/mcp/*.mjs mcp_tools.mjs peers && (cd peers && npm install --no-audit --no-fund) >npm.log 2>&1; }; then
    tail -n 5 npm.log
    echo "skipped: MCP servers behind stoker mcp: npm cannot install their packages"
    skipped=1
else
    printf '{"mcpServers": {"peer": {"command": "node", "args": ["%s/peers/server.mjs", "--tools", "210"]}}}\n' "$dir" >peers/config
    node peers/peer.mjs -- "$stoker" mcp --mcp peers/config >one.log 2>&1 || echo "FAIL status $?" >>one.log
    [ "$(grep -c '^ok ' one.log)" -eq 11 ] || echo "FAIL not 11 checks" >>one.log
    sed 's/^\(ok\|FAIL\) */&the proxy: /' one.log >peers.log
    node peers/mcp_tools.mjs peers -- "$stoker" mcp >one.log 2>&1 || echo "FAIL status $?" >>one.log
    cat one.log >>peers.log
    grep '^FAIL' peers.log
    echo "$(grep -c '^ok ' peers.log) passed, $(grep -c '^FAIL' peers.log) failed" >>peers.log
    echo "peers: $(tail -n 1 peers.log)"
    logs_of_peers=peers.log
fi

# The page beside a library: an archive whose pages try what they may not, and a folder. Its HTML needs libxml2.
logs_of_library=
: >library.log
if [ -x "$chromium" ]; then
    mkdir notes
    printf '# Rope ferry\n\nA ferry hangs on a rope across the river.\n\n## Care\n\nThe rope is greased every month.\n' >notes/ferry."md"
    node zim.mjs crossings.zim
    "$stoker" library add crossings.zim --library db >add.log 2>&1
    echo key-of-the-page >keys
    if grep -q "libxml2, which this system lacks" add.log; then
        echo "skipped: the page beside a library: libxml2 is not installed"
        skipped=$((skipped + 1))
    elif logs_of_library=library.log && "$stoker" library add notes --library db >>add.log 2>&1; then
        for key in '' "$(cat keys)"; do
            starts --ctx 8192 --memory 1G --seed 2 --library db/ ${key:+--api-key-file keys}
            BASE_URL=$url API_KEY=$key CHROMIUM=$chromium OUT=pictures PATIENCE=5 ONLY='^(library:|no outside)' node run.mjs web >one.log 2>&1 || echo "FAIL status $?" >>one.log
            sed "s/^\(ok\|FAIL\|skip\) */&${key:+with a key: }/" one.log >>library.log
            ends
        done
    else
        echo "FAIL stoker library add: $(tail -n 1 add.log)" >library.log
    fi
fi
sums library

if [ -x "$chromium" ]; then
    STOKER=$stoker CHROMIUM=$chromium node browser.mjs >browser.log 2>&1
    grep '^FAIL' browser.log
    echo "browser: $(tail -n 1 browser.log)"
else
    echo "skipped: $chromium is absent (apt-get install chromium)"
    skipped=$((skipped + 1))
fi
# Each log ends with its counts; one that does not has broken off, and one that counts nothing has asked nothing.
passed=0 failed=0 logs="suites.log drafts.log embeddings.log mcp.log $logs_of_peers $logs_of_library"
[ ! -x "$chromium" ] || logs="$logs web.log browser.log"
for log in $logs; do
    set -- $(tail -n 1 $log | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p')
    passed=$((passed + ${1:-0})) failed=$((failed + ${2:-1})) skipped=$((skipped + ${3:-0}))
    [ $((${1:-0} + ${2:-1})) -gt 0 ] || { echo "FAIL $log: no test has run" && failed=$((failed + 1)); }
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
