/* The whole engine from outside: open a model under a budget, ask it, print what comes.
 *
 *     build/examples/minimal models/ember/ember.gguf 'What is 9 + 4?' */
#include "stoker.h"

#include <stdio.h>
#include <string.h>

static int print_token(void *text, stoker_token id)
{
    const char *s;
    size_t n = stoker_text_next(text, id, &s);
    fwrite(s, 1, n, stdout);
    return 0; /* anything else would end the answer */
}

int main(int argc, char **argv)
{
    struct stoker_options options = {.memory = STOKER_MEMORY_MIN}; /* or bytes: 6ull << 30 */
    struct stoker_error err = {0};
    struct stoker *s = NULL;
    struct stoker_text *text = NULL;
    stoker_token *prompt = NULL;
    struct stoker_request request = {.sampling = {.temperature = 0}};
    if (argc == 3 && stoker_open(&s, argv[1], &options, &err) == 0) {
        struct stoker_message message = {"user", argv[2], strlen(argv[2])};
        text = stoker_text_open(s);
        if (stoker_chat(s, &message, 1, 0, &prompt, &request.n_prompt, &err) == 0) {
            request.prompt = prompt;
            if (stoker_generate(s, &request, print_token, text, NULL, &err) == 0)
                putchar('\n');
        }
    }
    if (argc != 3 || err.code)
        fprintf(stderr, "%s\n", err.code ? err.text : "usage: minimal MODEL.gguf PROMPT");
    stoker_free(prompt);
    stoker_text_close(text);
    stoker_close(s);
    return argc != 3 || err.code;
}
