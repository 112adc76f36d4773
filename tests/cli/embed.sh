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
is "an empty line" 2 "^-?[0-9]" "line 2 is empty"
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
head -c 1048577 /dev/zero | tr '\0' ' ' >"$dir/in"
run embed "$mean"
is "a very long line" 2 "" "line 1 has more than 1048576 bytes"
yes 'the water' | head -n 700 >"$dir/in"
run embed "$mean"
[ "$(sort -u "$dir/out")" = "$(head -n 1 "$dir/both")" ] && [ "$(wc -l <"$dir/out")" = 700 ] && pass || fail "700 lines" "are not 700 vectors of one text"
printf 'the water\nfire and stone\n\nmoon\n' >"$dir/in"
run embed "$mean"
[ $status = 2 ] && cmp -s "$dir/out" "$dir/both" && pass || fail "lines before an empty one" "have no vectors"
grep -q 'line 3 is empty' "$dir/err" && pass || fail "an empty line behind others" "is not named"
yes 'the water' | timeout 60 "$stoker" embed "$mean" >/dev/full 2>"$dir/err"
[ $? = 1 ] && pass || fail "a full disk" "does not end what has no end"
printf 'the water\r\nfire and stone' >"$dir/in"
run embed "$mean"
cmp -s "$dir/out" "$dir/both" && pass || fail "lines of another system" "have other vectors"
rm "$dir/in"

# A line has its vector before the next one is there.
mkfifo "$dir/pipe"
"$stoker" embed "$mean" <"$dir/pipe" >"$dir/out" 2>"$dir/err" &
pid=$!
exec 3>"$dir/pipe"
echo 'the water' >&3
wait_for 60 test -s "$dir/out" && pass || fail "a line" "waits for the next one"
(trap '' PIPE && echo 'fire and stone' >&3) 2>/dev/null
exec 3>&-
wait $pid
cmp -s "$dir/out" "$dir/both" && pass || fail "lines that come one by one" "have other vectors"

# One token of this model has no numbers.
run tokenize "$mean" fire
token=$(grep -Eo '[0-9]+' "$dir/out" | head -n 1)
run inspect "$mean" --tensors
offset=$(sed -n 's/^token_embd\.weight .* \([0-9]*\) *$/\1/p' "$dir/out")
cp "$mean" "$dir/broken.gguf"
head -c 192 /dev/zero | tr '\0' '\377' | dd of="$dir/broken.gguf" bs=1 seek=$((offset + token * 192)) conv=notrunc 2>/dev/null
printf 'the water\nfire\nfire and stone\n' >"$dir/in"
yes 'the water' | head -n 400 >>"$dir/in"
run embed "$mean"
cp "$dir/out" "$dir/whole"
run embed "$dir/broken.gguf"
[ $status = 1 ] && [ "$(sed -n '2p;3p' "$dir/out" | sort -u)" = "error: a value of its vector is not a finite number" ] && pass || fail "texts without numbers" "are not told"
sed '2,3d' "$dir/out" >"$dir/others"
sed '2,3d' "$dir/whole" | cmp -s - "$dir/others" && pass || fail "lines beside one without numbers" "have other vectors"
grep -q 'line 2: a value of its vector is not a finite number' "$dir/err" && grep -q 'line 3: ' "$dir/err" && pass || fail "lines without numbers" "are not named"
head -n 2 "$dir/in" >"$dir/two" && mv "$dir/two" "$dir/in"
run embed "$dir/broken.gguf" --json
is "a text without numbers, as JSON" 1 '^\{"index":1,"error":"a value of its vector is not a finite number"\}$' "line 2: "
run embed "$dir/broken.gguf" --raw
[ "$(tail -c 192 "$dir/out" | od -An -v -tf4 | grep -io nan | wc -l)" = 48 ] && [ "$(wc -c <"$dir/out")" = 384 ] && pass || fail "a text without numbers, raw" "is not 48 times NaN"
rm "$dir/in"
run plan "$mean"
is "the plan" 0 'context 128 of 128 trained, 16 sequences' ""
done_testing
