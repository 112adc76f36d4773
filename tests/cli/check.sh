# stoker check: a whole file, a damaged one, with a hash that is known and without.
. tests/cli/harness

model=$dir/model.gguf
cp "$golden/qwen3moe.gguf" "$model"
right=$(sha256sum "$model" | cut -d' ' -f1)
zeros=$(printf '%064d' 0)

run check "$model"
is "no hash is known" 0 "^  sha256   $right$" ""
grep -qE '^  xxh3     [0-9a-f]{16}$' "$dir/out" && pass || fail "xxh3" "is not shown"
grep -q '^  scales   of 27 tensors: all are numbers$' "$dir/out" && pass || fail "scales" "not of 27 tensors"
grep -q '^  no hash of this file is known: ' "$dir/out" && pass || fail "no hash" "it does not say what it cannot know"

# Where hashes are found. Each is tried with the right hash and with a wrong one.
beside() { # beside WHAT FILE LINE
    printf "$3\n" "$right" >"$2"
    run check "$model"
    is "$1" 0 "^  whole    sha256 is that of $(basename "$2")$" ""
    printf "$3\n" "$zeros" >"$2"
    run check "$model"
    is "$1, another one" 1 "^  damaged  sha256 is not that of $(basename "$2"), $zeros; get the file again$" ""
    rm "$2"
}
beside "MODEL.sha256" "$model.sha256" "%s"
beside "MODEL.sha256 with a name" "$model.sha256" "%s  model.gguf"
beside "SHA256SUMS" "$dir/SHA256SUMS" "$zeros  other.gguf\n%s *./model.gguf"
printf '%s  other.gguf\n' "$right" >"$dir/SHA256SUMS"
run check "$model"
is "a list without this file" 0 '^  no hash of this file is known' ""
rm "$dir/SHA256SUMS"
mkdir "$dir/blobs"
cp "$model" "$dir/blobs/$right"
ln -s "blobs/$right" "$dir/link.gguf"
run check "$dir/link.gguf"
is "a cache that names files by their hash" 0 "^  whole    sha256 is that of the file's own name$" ""
run check "$model" --sha256 "$right"
is "--sha256" 0 '^  whole    sha256 is that of --sha256$' ""
run check "$model" --sha256 "$zeros"
is "--sha256, another one" 1 "^  damaged  sha256 is not that of --sha256, $zeros" ""
run check "$model" --sha256 "${right}0"
is "--sha256 of 65 digits" 2 "" "stoker check: --sha256 wants 64 hexadecimal digits"
odd="$dir/$(printf 'odd\377\033[31m').gguf"
cp "$model" "$odd"
run check "$odd"
is "a name that is no text" 0 "/odd[?][?][[]31m.gguf: " ""
run check "$odd" --json
is "a name that is no text, --json" 0 '/odd[?][?][[]31m.gguf","bytes"' ""
rm "$odd"
run check "$model" --sha256 "$right" --json
is "--json" 0 "^\[\{\"path\":\"$model\",\"bytes\":341632,.*\"sha256\":\"$right\",\"known_sha256\":\"$right\",\"known_from\":\"--sha256\",\"tensors\":27,\"damaged_tensors\":0,\"damaged\":\[\],\"is_damaged\":false\}\]$" ""

# Any byte: with a hash each is found, wherever it lies.
echo "$right" >"$model.sha256"
found=0
for i in $(seq 200); do
    at=$((i * 7919 * 31 % 341632))
    byte=$(od -An -tu1 -j $at -N 1 "$model")
    printf "\\$(printf %o $((byte ^ 1 << i % 8)))" | dd of="$model" bs=1 seek=$at conv=notrunc status=none
    run check "$model"
    [ "$status" -eq 1 ] && found=$((found + 1)) || fail "byte $at" "its change is not found"
    printf "\\$(printf %o "$byte")" | dd of="$model" bs=1 seek=$at conv=notrunc status=none
done
[ $found -eq 200 ] && pass || fail "200 flipped bits" "$found are found"
run check "$model"
is "put back" 0 "^  whole " ""
rm "$model.sha256"

# Without a hash: scales that are no numbers, in the tensor and block where they are.
cp "$ember" "$model"
run inspect "$model" --tensors --json
offset=$(sed 's/.*"name":"blk.3.attn_q.weight"[^}]*"offset":\([0-9]*\).*/\1/' "$dir/out")
type=$(sed 's/.*"name":"blk.3.attn_q.weight"[^}]*"type":"\([a-z0-9_]*\)".*/\1/' "$dir/out")
case $type in
q4_k) bytes=144 scale=0 ;; q6_k) bytes=210 scale=208 ;; q8_0) bytes=34 scale=0 ;; *) bytes=0 ;;
esac
[ $bytes -gt 0 ] && pass || fail "the model" "blk.3.attn_q.weight is of type $type"
at=$((offset + 5 * bytes + scale + 1))
printf '\174' | dd of="$model" bs=1 seek=$at conv=notrunc status=none
run check "$model"
is "a scale" 1 "^  damaged  blk\.3\.attn_q\.weight: block 5, at byte $((offset + 5 * bytes)), has a scale that is no number$" ""
run check "$model" --json
is "a scale as JSON" 1 '"damaged":\[\{"tensor":"blk\.3\.attn_q\.weight","type":"[a-z0-9_]+","block":5\}\],"is_damaged":true' ""

head -c 1000000 "$ember" >"$model"
run check "$model"
is "a part of a download" 1 "" "^stoker: $model: tensor .* reaches past the end of the file .* it is incomplete, fetch it again$"
run check "$dir/none.gguf"
is "no file" 1 "" "none\.gguf"
run check "$dir"
is "a folder" 1 "" "."
run check
is "no argument" 2 "" "stoker check: name a MODEL.gguf"
done_testing
