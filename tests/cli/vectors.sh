# A server of vectors, and one of scores: every route of them, what is refused, and what other routes say.
. tests/cli/harness

touch "$dir/out" "$dir/err"
command -v curl >/dev/null || {
    skip "vectors" "curl is not installed"
    done_testing
    exit
}
models=${BUILD:-build}/data/embeddings
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT

long=$(yes water | head -n 200 | tr '\n' ' ')
starts "$models/bert-mean.gguf"
asks "two texts" 200 '^\{"object":"list","data":\[\{"object":"embedding","index":0,"embedding":\[-?[0-9.]+,-?[0-9.]+\]\},\{"object":"embedding","index":1,.*"model":"bert-mean","usage":\{"prompt_tokens":7,"total_tokens":7\}\}$' /v1/embeddings '{"input":["the water","fire"],"dimensions":2,"user":"x"}'
asks "base64" 200 '"embedding":"[A-Za-z0-9+/]{11}="' /v1/embeddings '{"input":"the water","encoding_format":"base64","dimensions":2}'
base64 -d <<END >"$dir/f32" 2>/dev/null
$(sed 's/.*"embedding":"\([^"]*\)".*/\1/' "$dir/answer")
END
printf 'the water' >"$dir/in"
run embed "$models/bert-mean.gguf" --raw --dimensions 2
cmp -s "$dir/f32" "$dir/out" && pass || fail "base64" "is not the vector of stoker embed"
rm "$dir/in"
asks "ids" 200 '"index":0.*"prompt_tokens":3,' /v1/embeddings '{"input":[2,5,3],"dimensions":2}'
asks "lists of ids" 200 '"index":1.*"prompt_tokens":5,' /v1/embeddings '{"input":[[2,5,3],[2,3]],"dimensions":2}'
asks "cut on request" 200 '"prompt_tokens":128,' /v1/embeddings "{\"input\":\"$long\",\"truncate\":true}"
many=$(i=0; while [ $i -lt 2047 ]; do printf '"a",'; i=$((i + 1)); done)
asks "as many as there may be" 200 '"index":2047,"embedding":\[.*"prompt_tokens":6144,' /v1/embeddings "{\"input\":[$many\"a\"]}"

asks "one more" 400 '"param":"input","code":"invalid_value"' /v1/embeddings "{\"input\":[$many\"a\",\"a\"]}"
asks "no input" 400 '"param":"input"' /v1/embeddings '{}'
asks "an empty text" 400 '"param":"input","code":"invalid_value"' /v1/embeddings '{"input":""}'
asks "an empty text of a list" 400 '"param":"input\[1\]"' /v1/embeddings '{"input":["a",""]}'
asks "an empty list" 400 '"param":"input","code":"invalid_value"' /v1/embeddings '{"input":[]}'
asks "an empty list of ids" 400 '"param":"input\[0\]"' /v1/embeddings '{"input":[[]]}'
asks "a number" 400 '"param":"input","code":"invalid_type"' /v1/embeddings '{"input":5}'
asks "null" 400 '"param":"input"' /v1/embeddings '{"input":null}'
asks "a list of null" 400 '"param":"input\[0\]","code":"invalid_type"' /v1/embeddings '{"input":[null]}'
asks "texts and ids" 400 '"param":"input\[1\]","code":"invalid_type"' /v1/embeddings '{"input":["a",[2,3]]}'
asks "ids and texts" 400 '"param":"input\[1\]","code":"invalid_type"' /v1/embeddings '{"input":[2,"a"]}'
asks "an id beyond the vocabulary" 400 '"param":"input\[1\]","code":"invalid_value"' /v1/embeddings '{"input":[2,145]}'
asks "a long text" 400 'has 202 tokens; this model.s context is 128.*"code":"context_length_exceeded"' /v1/embeddings "{\"input\":\"$long\"}"
huge=$(yes water | head -n 174762 | tr '\n' ' ') # 1 MiB
asks "a text of a megabyte" 400 'has 174764 tokens; this model.s context is 128.*"code":"context_length_exceeded"' /v1/embeddings "{\"input\":\"$huge\"}"
asks "no dimensions" 400 '"param":"dimensions"' /v1/embeddings '{"input":"a","dimensions":0}'
asks "more dimensions" 400 '"param":"dimensions"' /v1/embeddings '{"input":"a","dimensions":49}'
asks "another format" 400 '"param":"encoding_format"' /v1/embeddings '{"input":"a","encoding_format":"int8"}'
asks "another model" 404 '"code":"model_not_found"' /v1/embeddings '{"input":"a","model":"other"}'
asks "a rerank" 400 '"param":"model","code":"unsupported"' /v1/rerank '{"query":"a","documents":["b"]}'
asks "a chat" 400 'is an embedding model.*"code":"unsupported"' /v1/chat/completions '{"messages":[{"role":"user","content":"hi"}]}'
asks "a constrained chat" 400 'is an embedding model.*"code":"unsupported"' /v1/chat/completions '{"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_object"}}'
asks "a completion" 400 'is an embedding model' /v1/completions '{"prompt":"hi"}'
asks "an answer" 400 'is an embedding model' /api/generate '{"prompt":"hi"}'
asks "a message" 400 'is an embedding model' /v1/messages '{"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'

asks "a list of ollama's" 200 '^\{"model":"bert-mean:latest","embeddings":\[\[-?[0-9.]+,-?[0-9.]+\]\],"total_duration":[0-9]+,"load_duration":0,"prompt_eval_count":4\}$' /api/embed '{"model":"bert-mean:latest","input":["the water"],"dimensions":2,"truncate":true,"options":{"num_ctx":8192},"keep_alive":"5m"}'
asks "no texts" 200 '"embeddings":\[\]' /api/embed '{"input":[]}'
asks "a long text is cut" 200 '"prompt_eval_count":128' /api/embed "{\"input\":\"$long\"}"
asks "a text of a megabyte is cut" 200 '"embeddings":\[\[-?[0-9].*"prompt_eval_count":128' /api/embed "{\"input\":\"$huge\"}"
asks "a long text is not cut" 400 '^\{"error":"the input length exceeds the context length"\}$' /api/embed "{\"truncate\":false,\"input\":\"$long\"}"
asks "the older route" 200 '^\{"embedding":\[' /api/embeddings '{"prompt":"the water"}'
asks "a list of texts where one is wanted" 400 '^\{"error":"prompt must be one text: ' /api/embeddings '{"prompt":["a","b"]}'
asks "ids of one text" 200 '^\{"embedding":\[-?[0-9.]+,[-0-9.,e]+\]\}$' /api/embeddings '{"prompt":[2,5,3]}'
asks "without a prompt" 400 '"error":"prompt' /api/embeddings '{}'
asks "llama-server's" 200 '^\[\{"index":0,"embedding":\[\[.*\]\]\}\]$' /embedding '{"content":"the water"}'
asks "llama-server's, as it is" 200 '^\[\{"index":0,"embedding":\[\[1\.69' /embeddings '{"input":"the water","embd_normalize":-1}'
asks "another norm" 400 '"param":"embd_normalize"' /embedding '{"content":"a","embd_normalize":1}'
asks "show" 200 '"bert.embedding_length":48,"bert.pooling_type":"mean"\},"capabilities":\["embedding"\]' /api/show '{"model":"bert-mean"}'
curl -s "$at/v1/models" "$at/api/tags" "$at/api/ps" >"$dir/answer"
[ "$(grep -o '"bert-mean[":]' "$dir/answer" | wc -l)" -ge 5 ] && pass || fail "lists of models" "$(cat "$dir/answer")"
curl -s -m 0.05 "$at/v1/embeddings" --data-binary "{\"input\":[$many\"$(echo "$long" | head -c 700)\"]}" >"$dir/answer" # and leaves
asks "behind one that left" 200 '"prompt_tokens":3,' /v1/embeddings '{"input":"a"}'
ends

# A queue of one, and clients that have more texts than a step takes many times over, and come again: each gets all vectors, or is refused
# before the first.
starts "$models/bert-mean.gguf" --parallel 1 --queue 1
printf '{"input":[%s"b"]}' "$many" >"$dir/many"
clients="1 2 3 4 5 6 7 8"
for i in $clients; do
    {
        tries=0 code=429
        while [ "$code" = 429 ] && [ $tries -lt 60 ]; do
            code=$(curl -s -m 100 -o "$dir/many$i" -w '%{http_code}' "$at/v1/embeddings" --data-binary "@$dir/many") || code="cut after $code"
            tries=$((tries + 1))
        done
        echo "$code" >"$dir/code$i"
    } &
    eval "client$i=$!"
done
n_whole=0
for i in $clients; do
    eval "wait \$client$i"
    code=$(cat "$dir/code$i")
    case $code in
    200)
        n_whole=$((n_whole + 1))
        [ "$(grep -o '"index":' "$dir/many$i" | wc -l)" = 2048 ] && grep -q '"prompt_tokens":6144,"total_tokens":6144}}$' "$dir/many$i" && pass ||
            fail "client $i of a short queue" "has an answer without its end: $(tail -c 200 "$dir/many$i")"
        cmp -s "$dir/many$i" "$dir/whole" || [ $n_whole = 1 ] && pass || fail "client $i of a short queue" "has other vectors"
        cp "$dir/many$i" "$dir/whole"
        ;;
    429) grep -q '"code":"queue_full"' "$dir/many$i" && pass || fail "client $i of a short queue" "$(head -c 200 "$dir/many$i")" ;;
    *) fail "client $i of a short queue" "$code: $(tail -c 200 "$dir/many$i")" ;;
    esac
done
[ $n_whole -gt 0 ] && pass || fail "clients of a short queue" "have no vectors"
ends

starts "$models/bert-none.gguf"
asks "a row a token" 200 '^\[\{"index":0,"embedding":\[\[[^]]*\],\[[^]]*\],\[' /embedding '{"content":"the water"}'
asks "rows where one vector is asked for" 400 '"code":"unsupported"' /v1/embeddings '{"input":"a"}'
ends

starts "$models/bert-rank.gguf"
asks "scores" 200 '^\{"model":"bert-rank","object":"list","usage":\{"prompt_tokens":[0-9]+,"total_tokens":[0-9]+\},"results":\[\{"index":[01],"relevance_score":0\.[0-9]+\},\{"index":[01],"relevance_score":0\.[0-9]+\}\]\}$' /v1/rerank '{"query":"what is water","documents":["the water","fire and stone"]}'
asks "the best of them, with its text" 200 '"results":\[\{"index":1,"relevance_score":0\.[0-9]+,"document":\{"text":"fire and stone"\}\}\]\}$' /rerank '{"query":"what is water","documents":["the water",{"text":"fire and stone"}],"top_n":1,"return_documents":true}'
asks "raw scores" 200 '"index":1,"relevance_score":-1\.39' /v1/reranking '{"query":"what is water","documents":["the water","fire and stone"],"raw_scores":true}'
asks "ties by index" 200 '"results":\[\{"index":0,[^}]*\},\{"index":1,[^}]*\},\{"index":2,' /reranking '{"query":"a","documents":["b","b","b"]}'
asks "the other form" 200 '^\[\{"index":1,"score":0\.[0-9]+,"text":"fire and stone"\},\{"index":0,' /rerank '{"query":"what is water","texts":["the water","fire and stone"],"return_text":true}'
asks "a long document" 200 '"truncated":\[1\]\}$' /v1/rerank "{\"query\":\"a\",\"documents\":[\"b\",\"$long\"]}"
asks "a long query" 400 'the query takes [0-9]+ tokens.*the context has 128.*"param":"query"' /v1/rerank "{\"query\":\"$long\",\"documents\":[\"b\"]}"
asks "no query" 400 '"param":"query"' /v1/rerank '{"documents":["b"]}'
asks "no documents" 400 '"param":"documents"' /v1/rerank '{"query":"a"}'
asks "documents and texts" 400 'documents excludes texts.*"param":"documents","code":"invalid_value"' /v1/rerank '{"query":"a","documents":["b"],"texts":["c"]}'
asks "an empty list" 400 '"param":"documents"' /v1/rerank '{"query":"a","documents":[]}'
asks "a document that is none" 400 '"param":"documents\[1\]"' /v1/rerank '{"query":"a","documents":["b",5]}'
asks "vectors" 400 '"param":"model","code":"unsupported"' /v1/embeddings '{"input":"a"}'
asks "show" 200 '"capabilities":\["rerank"\]' /api/show '{}'
ends
done_testing
