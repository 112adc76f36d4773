# A second copy of the model on another drive (--mirror): the same answers, and what is no copy is refused.
. tests/cli/harness

copy=$dir/copy
mkdir "$copy"
cp "$ember" "$copy"
ask='What is 9 + 4?'

for flags in "" "--memory min" "--memory min --reader threads" "--memory min --reader buffered --chunk 32"; do
    run run -p "$ask" --temp 0 --mirror "$copy" $flags
    is "a mirror with ${flags:-all resident}" 0 "=9 + 4 = 13." ""
done
run plan "$ember" --memory min --mirror "$copy"
is "the plan counts it" 0 "experts" ""

run run -p "$ask" --mirror "$dir/nowhere"
is "no folder" 1 "" "--mirror: .*/nowhere/ember.gguf cannot be opened: No such file or directory"
run run -p "$ask" --mirror "${ember%/*}"
is "the model itself" 2 "" "--mirror: .*/ember.gguf is the model itself; name a folder with a copy of it"
printf 'x' | dd of="$copy/ember.gguf" bs=1 seek=100 conv=notrunc 2>/dev/null
run run -p "$ask" --mirror "$copy"
is "another header" 1 "" "--mirror: .*/ember.gguf differs from the model near byte 0; copy it again"
head -c 100000 "$ember" >"$copy/ember.gguf"
run run -p "$ask" --mirror "$copy"
is "a part of it" 1 "" "--mirror: .*/ember.gguf has 100000 bytes, the model [0-9]+; copy it again"

done_testing
