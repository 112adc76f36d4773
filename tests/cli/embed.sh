# Vectors and scores of lines.
. tests/cli/harness

models=${BUILD:-build}/data/embeddings
mean=$models/bert-mean.gguf rank=$models/bert-rank.gguf rows=$models/bert-none.gguf
printf 'the water\nfire and stone\n' >"$dir/in"

run embed "$mean"
is "a line a line" 0 '^-?[0-9.]+( -?[0-9.e-]+){47}$' ""
[ "$(wc -l <"$dir/out")" = 2 ] && pass || fail "two lines" "are not two vectors"
awk '{ s = 0; for (i = 1; i <= NF; i++) s += $i * $i; if (s < 0.999999 || s > 1.000001) exit 1 }' "$dir/out" && pass ||
    fail "vectors" "are not of length 1"
cp "$dir/out" "$dir/both"
head -n 1 "$dir/in" >"$dir/one" && mv "$dir/in" "$dir/two" && mv "$dir/one" "$dir/in"
run embed "$mean"
[ "$(cat "$dir/out")" = "$(head -n 1 "$dir/both")" ] && pass || fail "a line alone" "has another vector"
mv "$dir/two" "$dir/in"
run embed "$mean" --json --dimensions 2
is "as JSON" 0 '^\{"index":1,"embedding":\[-?[0-9.]+,-?[0-9.]+\]\}$' ""
run embed "$mean" --raw
[ "$(wc -c <"$dir/out")" = 384 ] && pass || fail "--raw" "is not 4 bytes a value"
run embed "$mean" --normalize none --pooling cls
is "another pooling" 0 '^-?[0-9.]+ ' ""
run embed "$rows" --json
is "a row a token" 0 '^\{"index":0,"embedding":\[\[.*\],\[.*\]\]\}$' ""
run embed "$rank" --query 'what is water'
is "scores" 0 '^-?[0-9.]+$' ""
[ "$(wc -l <"$dir/out")" = 2 ] && pass || fail "two lines" "are not two scores"
run embed "$models/qwen3-rerank.gguf" --query 'what is water'
is "scores by a template" 0 '^0\.[0-9]+$' ""
run embed "$ember" --pooling mean --ctx 512
is "a chat model that is told how" 0 '^-?[0-9.e-]+ ' ""

run embed "$ember"
is "a chat model" 1 "" "generates text.*--pooling"
run run "$mean" -p hello
is "an answer of an embedding model" 1 "" "is an embedding model \(pooling mean\).*no text"
run embed "$rank"
is "pairs without a query" 2 "" "--query TEXT"
run embed "$mean" --query x
is "a query for vectors" 2 "" "--query is for models that judge pairs"
run embed "$mean" --dimensions 49
is "too many dimensions" 2 "" "--dimensions 49: this model's vectors have 48"
run embed "$mean" --json --raw
is "two forms" 2 "" "exclude each other"
run embed "$mean" --pooling most
is "an unknown pooling" 2 "" "mean.*cls.*last"
run embed "$mean" --pooling rank
is "no head" 1 "" "neither cls.weight nor cls.output.weight"
run embed "$mean" --ctx 129
is "more than it knows" 2 "" "--ctx 129: .* knows 128 positions"
run embed
is "no model" 2 "" "needs an embedding model"
printf 'the water\n\nfire\n' >"$dir/in"
run embed "$mean"
is "an empty line" 2 "" "line 2 is empty"
yes water | head -n 200 | tr '\n' ' ' >"$dir/in"
run embed "$mean"
is "a long line" 2 "" "line 1 has 202 tokens, the context 128"
run embed "$rank" --query "$(cat "$dir/in")"
is "a long query" 2 "" "the query takes 203 tokens without a document, the context has 128"
run embed "$rank" --query water
is "a long document loses its end" 0 '^-?[0-9.]+$' ""
printf '' >"$dir/in"
run embed "$mean"
is "no line" 0 "" ""
rm "$dir/in"
run plan "$mean"
is "the plan" 0 'context 128 of 128 trained, 16 sequences' ""
done_testing
