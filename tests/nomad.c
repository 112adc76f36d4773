/* links: base
 *
 * What Project NOMAD and other clients of Ollama send, against a server of the embedded model with an embedding model beside it.
 *
 *     build/tests/nomad CALLS.jsonl EMBED.gguf        STOKER=build/stoker
 *
 * A line is a request: method, path, body; CHAT stands for the chat's model, LONG for a text above the context of the other. expect:
 * pointers into the answer and what is there: "string", "number", "array", "object", "string~X" a text that holds X, or a value. status if
 * it is not 200; names: rows of a list of models; if_thinks: where the model has thought; sse: a stream, expect.last of its last event. */
#include "base/clock.h"
#include "sanitized.h"
#include "server_client.h"
#include "temporary.h"

#include <jansson.h>

static int passed, failed;
static char chat[256];

/* ---- the request ------------------------------------------------------------------------------------------------------------ */

/* What stands for something, replaced everywhere. */
static json_t *filled(const json_t *v)
{
    const char *text = json_string_value(v), *key;
    json_t *out, *item;
    size_t i;
    if (text && strcmp(text, "CHAT") == 0)
        return json_string(chat);
    if (text && strcmp(text, "LONG") == 0) {
        static char words[6 * 4000 + 1];
        for (i = 0; i < 4000; i++)
            memcpy(words + 6 * i, "water ", 7);
        return json_string(words);
    }
    if (json_is_array(v)) {
        out = json_array();
        json_array_foreach((json_t *)(uintptr_t)v, i, item) json_array_append_new(out, filled(item));
        return out;
    }
    if (!json_is_object(v))
        return json_deep_copy(v);
    out = json_object();
    json_object_foreach((json_t *)(uintptr_t)v, key, item) json_object_set_new(out, key, filled(item));
    return out;
}

static int ask(int port, const json_t *call, struct reply *r)
{
    struct client c = {port, -1};
    const json_t *body = json_object_get(call, "body");
    json_t *mine = body ? filled(body) : NULL;
    char *text = mine ? json_dumps(mine, JSON_COMPACT) : strdup(""), head[600];
    int n = snprintf(
        head, sizeof head,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
        json_string_value(json_object_get(call, "method")), json_string_value(json_object_get(call, "path")), port,
        json_is_true(json_object_get(call, "auth")) ? "Authorization: Bearer nomad\r\n" : "", strlen(text));
    int status = client_connect(&c) || client_send(&c, head, (size_t)n) || client_send(&c, text, strlen(text)) ||
                         client_read(&c, r, NULL, NULL)
                     ? -1
                     : 0;
    client_close(&c);
    free(text);
    json_decref(mine);
    return status;
}

/* ---- the answer ------------------------------------------------------------------------------------------------------------- */

/* "/data/0/id" */
static const json_t *at(const json_t *v, const char *pointer)
{
    char part[128];
    while (v && *pointer == '/') {
        size_t n = strcspn(++pointer, "/");
        snprintf(part, sizeof part, "%.*s", (int)n, pointer);
        v = json_is_array(v) ? json_array_get(v, (size_t)strtoul(part, NULL, 10)) : json_object_get(v, part);
        pointer += n;
    }
    return v;
}

static int is_as_expected(const json_t *v, const json_t *want)
{
    const char *word = json_string_value(want), *text = json_string_value(v);
    if (word && strncmp(word, "string~", 7) == 0)
        return text && strstr(text, word + 7);
    if (word && strcmp(word, "string") == 0)
        return text != NULL;
    if (word && strcmp(word, "number") == 0)
        return json_is_number(v);
    if (word && strcmp(word, "array") == 0)
        return json_is_array(v);
    if (word && strcmp(word, "object") == 0)
        return json_is_object(v);
    return v && json_equal(v, want);
}

static int check(const char *call, const json_t *answer, const json_t *expect)
{
    int wrong = 0;
    const char *pointer;
    json_t *want;
    json_object_foreach((json_t *)(uintptr_t)expect, pointer, want)
    {
        const json_t *v = at(answer, pointer);
        if (*pointer != '/' || is_as_expected(v, want))
            continue;
        char *shown = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        printf("     %s: %s is %.200s\n", call, pointer, shown ? shown : "not there");
        free(shown);
        wrong++;
    }
    return wrong;
}

static int check_names(const char *call, const json_t *answer, const json_t *names)
{
    int wrong = 0;
    size_t i, k;
    const json_t *name, *row;
    json_array_foreach(names, i, name)
    {
        const char *want = strcmp(json_string_value(name), "CHAT") == 0 ? chat : json_string_value(name);
        int found = 0;
        json_array_foreach(json_object_get(answer, "models"), k, row)
            found |= strcmp(json_string_value(json_object_get(row, "name")), want) == 0;
        if (!found)
            printf("     %s: no row of %s\n", call, want);
        wrong += !found;
    }
    return wrong;
}

/* The last event of a stream that says why it ended; its "[DONE]" must be there. NULL: it is not. */
static json_t *last_event(const struct reply *r)
{
    json_t *last = NULL;
    int done = 0;
    for (const char *line = r->body; (line = strstr(line, "data: ")); line += 6) {
        json_t *v = json_loads(line + 6, JSON_DISABLE_EOF_CHECK, NULL);
        done |= strncmp(line + 6, "[DONE]", 6) == 0;
        if (!json_is_string(at(v, "/choices/0/finish_reason"))) {
            json_decref(v);
            continue;
        }
        json_decref(last);
        last = v;
    }
    if (done)
        return last;
    json_decref(last);
    return NULL;
}

static void play(int port, const json_t *call)
{
    struct reply r = {0};
    char name[200];
    const json_t *expect = json_object_get(call, "expect");
    int want = (int)json_integer_value(json_object_get(call, "status")),
        sse = json_is_true(json_object_get(call, "sse"));
    snprintf(name, sizeof name, "%s %s", json_string_value(json_object_get(call, "method")),
             json_string_value(json_object_get(call, "path")));
    int wrong = ask(port, call, &r) || r.status != (want ? want : 200);
    json_t *answer = wrong ? NULL : sse ? last_event(&r) : json_loads(r.body, JSON_DISABLE_EOF_CHECK, NULL);
    wrong += !answer;
    if (answer) {
        wrong += check(name, answer, sse ? json_object_get(expect, "last") : expect);
        wrong += check_names(name, answer, json_object_get(call, "names"));
        if (at(answer, "/choices/0/message/reasoning_content"))
            wrong += check(name, answer, json_object_get(call, "if_thinks"));
    }
    printf("%s %-30s %d%s%.300s\n", wrong ? "FAIL" : "ok  ", name, r.status, wrong ? ": " : "",
           wrong && r.body ? r.body : "");
    *(wrong ? &failed : &passed) += 1;
    json_decref(answer);
    reply_free(&r);
}

/* ---- the server ------------------------------------------------------------------------------------------------------------- */

/* The name that clients are told first. -1: they are told none. */
static int look(int port)
{
    struct reply r = {0};
    json_t *tags = json_pack("{s:s, s:s}", "method", "GET", "path", "/api/tags");
    int status = ask(port, tags, &r);
    json_t *answer = status ? NULL : json_loads(r.body, 0, NULL);
    const char *name = json_string_value(at(answer, "/models/0/name"));
    snprintf(chat, sizeof chat, "%s", name ? name : "");
    json_decref(tags);
    json_decref(answer);
    reply_free(&r);
    return *chat ? 0 : -1;
}

int main(int argc, char **argv)
{
    char log[TEMPORARY_PATH], line[1 << 14];
    int fd = temporary_file(log, "nomad");
    FILE *f = argc > 2 ? fopen(argv[1], "r") : NULL;
    const char *arguments[] = {"--embed",
                               argc > 2 ? argv[2] : "",
                               "--embed-alias",
                               "nomic-embed-text:v1.5",
                               "--host",
                               "127.0.0.1",
                               "--memory",
                               "1G",
                               NULL};
    struct server_process s;
    if (!f || fd < 0 || server_start(&s, arguments, log) || server_ready(&s, 60) || look(s.port)) {
        fprintf(stderr, "usage: build/tests/nomad CALLS.jsonl EMBED.gguf; or the server does not start: %s\n", log);
        return 1;
    }
    while (fgets(line, sizeof line, f)) {
        json_t *call = json_loads(line, 0, NULL);
        if (call)
            play(s.port, call);
        else
            failed++;
        json_decref(call);
    }
    int status = server_end(&s, SIGTERM, 60);
    printf("%s the server ends with %d\n", status ? "FAIL" : "ok  ", status);
    *(status ? &failed : &passed) += 1;
    fclose(f);
    close(fd);
    unlink(log);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
