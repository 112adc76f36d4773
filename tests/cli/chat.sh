# Chats: a turn continues where the last one ended, also where a model keeps states (qwen35moe), windows (gpt-oss) or latents.
. tests/cli/harness

printf 'one\ntwo and three\nfour\n' >"$dir/in"
for model in qwen35moe gpt-oss-mxfp4 deepseek2-lite; do
    run run "$golden/$model.gguf" --lines --temp 0 -n 8 --json
    repeatable >"$dir/whole"
    is "$model: a chat" 0 '^\{"text":.*"cached_tokens":0,' .
    [ "$(grep -c '"cached_tokens":[1-9]' "$dir/out")" -eq 2 ] && pass || fail "$model: a chat" "turns 2 and 3 cached nothing"
    run run "$golden/$model.gguf" --lines --temp 0 -n 8 --json --memory min --chunk 3
    repeatable >"$dir/small"
    cmp -s "$dir/whole" "$dir/small" && pass || fail "$model: a chat in little memory" "is another chat"
done

done_testing
