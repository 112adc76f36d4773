# Ids of texts and texts of ids.
. tests/cli/harness

run tokenize "$ember" '<|im_start|>user
Hello'
is "ids" 0 "=4088 276 10 779" ""
run tokenize "$ember" '<|im_start|>' --no-parse-special --json
is "a control token's name as text" 0 '^\{"tokens":\[[0-9]+(,[0-9]+)+\]\}$' ""
run tokenize "$ember" '<|im_start|>
é"' --pieces
is "pieces" 0 '^4088	"<\|im_start\|>"$' ""
is "a newline is shown" 0 '^10	"\\n"$' ""
run tokenize "$ember" --json --pieces '<|im_end|>'
is "pieces as JSON" 0 '={"tokens":[{"id":4089,"piece":"<|im_end|>"}]}' ""
run tokenize "$ember" --decode '[4088, 276,10 779]'
is "decode" 0 '^Hello$' ""
run tokenize "$ember" --decode --json '4088 276 10 779'
is "decode as JSON" 0 '={"content":"<|im_start|>user\nHello"}' ""

# Any text comes back.
cp src/text/tokenizer/bpe.c "$dir/in"
run tokenize "$ember"
cp "$dir/out" "$dir/in"
run tokenize "$ember" --decode
if cmp -s "$dir/out" src/text/tokenizer/bpe.c; then pass; else fail "a file there and back" "another text"; fi
printf '' >"$dir/in"
run tokenize "$ember" --json
is "nothing" 0 '={"tokens":[]}' ""
rm "$dir/in"

run tokenize "$ember" --pre gpt-2 'x1'
is "another pre-tokenizer" 0 '^[0-9]+ [0-9]+$' ""
run tokenize "$ember" --pre no-such-rule x
is "an unknown pre-tokenizer" 1 "" 'no-such-rule.*qwen2.*kimi-k2'
printf Hello >"$dir/in"
run tokenize
is "no model" 0 "=779" ""
rm "$dir/in"
run tokenize 'Hello world'
is "a text alone" 0 "=779 1932" ""
run tokenize "$dir/absent.gguf"
is "a model alone that is not there" 1 "" "absent\.gguf: cannot be opened"
run tokenize llama3.2:3b Hello
is "a model's name elsewhere" 1 "" "^stoker: there is no file llama3\.2:3b; "
run tokenize "$ember" --decode 12,x3
is "not an id" 2 "" '"x3"'
run tokenize "$ember" --decode 4096
is "an id beyond the vocabulary" 2 "" "4096.*0 to 4095"
run tokenize /no/such/file x
is "no such file" 1 "" "/no/such/file"
vocabularies=$data/tokenizers/vocab
run tokenize "$vocabularies/bert-12k.gguf" 'The [SEP]' --add-special
is "WordPiece, and its ends" 0 "=101 1996 102 102" ""
run tokenize "$vocabularies/bert-12k.gguf" 'The [SEP]' --no-parse-special
is "a separator's name as text" 0 "=1996 1031 7367 2361 1033" ""
run tokenize "$vocabularies/bert-12k.gguf" --decode '1996 102'
is "WordPiece back" 0 '^ the\[SEP\]$' ""
run tokenize "$vocabularies/ugm-mini.gguf" 'the  tin' --add-special
is "Unigram" 0 "=24 6 8 1" ""
run tokenize --help
is "help" 0 "--add-special.*bos" ""
done_testing
