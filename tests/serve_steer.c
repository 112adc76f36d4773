/* links: base
 *
 * Steering through a server, by vectors and by features: lists in every dialect, what of them is refused and how, /control-vectors and
 * below, the default list, and a vector that is unloaded while answers are steered by it.
 *
 *     build/tests/serve_steer
 *
 * STOKER names the program (build/stoker); the vectors of the embedded model are copied into a folder of this run. */
#include "check.h"
#include "server_client.h"
#include "temporary.h"

#include <pthread.h>
#include <sys/stat.h>

#define EMBER TEST_DATA "/steering/ember/"

enum { STREAMS = 4, PATIENCE = SANITIZED ? 240 : 60 };

static char folder[TEMPORARY_PATH], log_file[TEMPORARY_PATH + 16];
static struct server_process server;
static int skipped;

/* ---- a server -------------------------------------------------------------------------------------------------------------- */

static void start(const char *const *flags)
{
    if (server_start(&server, flags, log_file) || server_ready(&server, PATIENCE)) {
        printf("FAILED: no server; see %s\n", log_file);
        exit(1);
    }
}

/* The newest answer. It has room for all of them, so its body stays where it is: checks ask and print in one go. */
static struct reply reply;

static int ask(const char *method, const char *path, const char *body)
{
    struct client c = {server.port, -1};
    reply.status = 0;
    client_ask(&c, method, path, body, strlen(body), &reply, NULL, NULL);
    client_close(&c);
    return reply.status;
}

static const char *get(const char *path)
{
    ask("GET", path, "");
    return reply.body;
}

/* The value of x-stoker-steer of the newest answer; "": it has none. */
static const char *digest(void)
{
    static char text[17];
    const char *at = strstr(reply.raw, "\r\nx-stoker-steer: ");
    text[0] = 0;
    if (at)
        sscanf(at, " x-stoker-steer: %16[0-9a-f]", text);
    return text;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------------ */

static void copy_file(const char *from, const char *to, size_t most)
{
    static char bytes[1 << 20];
    char path[300];
    FILE *in = fopen(from, "r");
    size_t n = in ? fread(bytes, 1, sizeof bytes, in) : 0;
    snprintf(path, sizeof path, "%s/%s", folder, to);
    FILE *out = fopen(path, "w");
    n = n < most ? n : most;
    if (!in || !out || fwrite(bytes, 1, n, out) != n) {
        printf("FAILED: no %s\n", path);
        exit(1);
    }
    fclose(in);
    fclose(out);
}

static void copy_vector(const char *name, const char *to, size_t most)
{
    char path[300];
    snprintf(path, sizeof path, EMBER "%s", name);
    copy_file(path, to, most);
}

static const char *in_folder(const char *name)
{
    static char path[TEMPORARY_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void fill_folder(void)
{
    if (temporary_folder(folder, "serve-steer"))
        exit(1);
    snprintf(log_file, sizeof log_file, "%s.log", folder);
    copy_vector("mean-last-raw.gguf", "declines.gguf", SIZE_MAX);
    copy_vector("mean-last-raw.gguf", "same.gguf", SIZE_MAX);
    copy_vector("ablate.gguf", "ablate.gguf", SIZE_MAX);
    copy_vector("reversed.gguf", "reversed.gguf", SIZE_MAX);
    copy_vector("reversed.gguf", "re versed!.gguf", SIZE_MAX);
    copy_vector("reversed.gguf", ".hidden.gguf", SIZE_MAX);
    copy_vector("ablate.gguf", "cut.gguf", 300);
    copy_vector("ablate.gguf", "empty.gguf", 0);
    if (symlink(EMBER "ablate.gguf", in_folder("link.gguf")) || mkfifo(in_folder("pipe.gguf"), 0600) ||
        mkdir(in_folder("folder.gguf"), 0700))
        exit(1);
}

static void empty_folder(void)
{
    static const char *const names[] = {"declines.gguf",      "same.gguf",
                                        "ablate.gguf",        "reversed.gguf",
                                        "re versed!.gguf",    ".hidden.gguf",
                                        "cut.gguf",           "a.gguf",
                                        "empty.gguf",         "link.gguf",
                                        "pipe.gguf",          "named.sae/labels.json",
                                        "named.sae/cfg.json", "named.sae/sae_weights.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(in_folder(names[i]));
    rmdir(in_folder("folder.gguf"));
    rmdir(in_folder("named.sae"));
    rmdir(folder);
    remove(log_file);
}

/* ---- refusals -------------------------------------------------------------------------------------------------------------- */

struct refused {
    const char *text; /* of a body */
    int status;
    const char *code, *param; /* param NULL: null */
};

static void expect(const char *what, const struct refused *c)
{
    char param[80], code[80];
    snprintf(param, sizeof param, c->param ? "\"param\":\"%s\"" : "\"param\":null", c->param);
    snprintf(code, sizeof code, "\"code\":\"%s\"", c->code);
    check(reply.status == c->status && strstr(reply.body, code) && strstr(reply.body, param),
          "%s %s: %d %s, not %d %s %s", what, c->text, reply.status, reply.body, c->status, c->code,
          c->param ? c->param : "-");
}

#define FOUR "{\"vector\":0},{\"vector\":0},{\"vector\":0},{\"vector\":0}"

/* Vector 0 is added, 1 projected out; the context has 1024 positions, the model 6 layers. */
static void lists_refused(void)
{
    static const struct refused cases[] = {
        {"\"steer\":{}", 400, "invalid_type", "steer"},
        {"\"steer\":\"declines\"", 400, "invalid_type", "steer"},
        {"\"steer\":[3]", 400, "invalid_type", "steer[0]"},
        {"\"steer\":[null]", 400, "invalid_type", "steer[0]"},
        {"\"steer\":[{}]", 400, "missing_field", "steer[0].vector"},
        {"\"steer\":[{\"vector\":[]}]", 400, "invalid_type", "steer[0].vector"},
        {"\"steer\":[{\"vector\":0.5}]", 400, "invalid_value", "steer[0].vector"},
        {"\"steer\":[{\"vector\":-1}]", 400, "invalid_value", "steer[0].vector"},
        {"\"steer\":[{\"vector\":\"x\"}]", 404, "vector_not_found", "steer[0].vector"},
        {"\"steer\":[{\"vector\":\"declines\\u0000\"}]", 404, "vector_not_found", "steer[0].vector"},
        {"\"steer\":[{\"vector\":0},{\"vector\":7}]", 404, "vector_not_found", "steer[1].vector"},
        {"\"steer\":[{\"vector\":0,\"scale\":\"1\"}]", 400, "invalid_type", "steer[0].scale"},
        {"\"steer\":[{\"vector\":0,\"scale\":1000.1}]", 400, "invalid_value", "steer[0].scale"},
        {"\"steer\":[{\"vector\":0,\"scale\":-1e999}]", 400, "invalid_value", "steer[0].scale"},
        {"\"steer\":[{\"vector\":0,\"layers\":3}]", 400, "invalid_type", "steer[0].layers"},
        {"\"steer\":[{\"vector\":0,\"layers\":[3]}]", 400, "invalid_value", "steer[0].layers"},
        {"\"steer\":[{\"vector\":0,\"layers\":[1,\"2\"]}]", 400, "invalid_type", "steer[0].layers[1]"},
        {"\"steer\":[{\"vector\":0,\"layers\":[-1,2]}]", 400, "invalid_value", "steer[0].layers[0]"},
        {"\"steer\":[{\"vector\":0,\"layers\":[1,9007199254740993]}]", 400, "invalid_value", "steer[0].layers[1]"},
        {"\"steer\":[{\"vector\":0,\"layers\":[3,2]}]", 400, "invalid_value", "steer[0].layers"},
        {"\"steer\":[{\"vector\":0,\"layers\":[0,6]}]", 400, "invalid_value", "steer[0].layers"},
        {"\"steer\":[{\"vector\":0,\"side\":\"positive\"}]", 400, "invalid_value", "steer[0].side"},
        {"\"steer\":[{\"vector\":1,\"side\":\"up\"}]", 400, "invalid_value", "steer[0].side"},
        {"\"steer\":[{\"vector\":0,\"from\":\"later\"}]", 400, "invalid_value", "steer[0].from"},
        {"\"steer\":[{\"vector\":0,\"from\":true}]", 400, "invalid_type", "steer[0].from"},
        {"\"steer\":[{\"vector\":0,\"from\":1025}]", 400, "invalid_value", "steer[0].from"},
        {"\"steer\":[{\"vector\":0,\"to\":-1024}]", 400, "invalid_value", "steer[0].to"},
        {"\"steer\":[{\"sae\":\"x\",\"op\":\"add\"}]", 404, "vector_not_found", "steer[0].sae"},
        {"\"steer\":[{\"sae\":0,\"op\":\"add\"}]", 400, "invalid_value", "steer[0].sae"},
        {"\"steer\":[{\"vector\":0,\"op\":\"add\"}]", 400, "invalid_value", "steer[0].op"},
        {"\"steer\":[{\"vector\":0,\"sae\":0}]", 400, "invalid_value", "steer[0].vector"},
        {"\"steer\":[{\"feature\":3,\"value\":1}]", 400, "invalid_value", "steer[0].feature"},
        {"\"steer\":[{\"vector\":0,\"layer\":[1,2]}]", 400, "invalid_value", "steer[0].layer"},
        {"\"steer\":[{\"experts\":\"exclude\"}]", 400, "missing_field", "steer[0].list"},
        {"\"steer\":[{\"experts\":\"x\",\"list\":[]}]", 400, "invalid_value", "steer[0].experts"},
        {"\"steer\":[{\"experts\":1,\"list\":[]}]", 400, "invalid_type", "steer[0].experts"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":3}]", 400, "invalid_type", "steer[0].list"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[3]}]", 400, "invalid_value", "steer[0].list[0]"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[[0,1,2]]}]", 400, "invalid_value", "steer[0].list[0]"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[[0,1],[0,0.5]]}]", 400, "invalid_type", "steer[0].list[1]"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[[-1,0]]}]", 400, "invalid_value", "steer[0].list[0]"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[[0,1],[6,0]]}]", 400, "invalid_value", "steer[0].list[1]"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[[0,16]]}]", 400, "invalid_value", "steer[0].list[0]"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[[0,1],[0,1]]}]", 400, "invalid_value", "steer[0].list"},
        {"\"steer\":[{\"experts\":\"exclude\",\"list\":[[0,1]],\"from\":1025}]", 400, "invalid_value", "steer[0].from"},
        {"\"steer\":[{\"experts\":\"bias\",\"list\":[[0,1]]}]", 400, "invalid_value", "steer[0].list[0]"},
        {"\"steer\":[{\"experts\":\"bias\",\"list\":[[0,1,\"2\"]]}]", 400, "invalid_type", "steer[0].list[0]"},
        {"\"steer\":[{\"experts\":\"bias\",\"list\":[[0,1,10001]]}]", 400, "invalid_value", "steer[0].list[0]"},
        {"\"steer\":[{\"experts\":\"bias\",\"list\":[],\"scale\":1}]", 400, "invalid_value", "steer[0].scale"},
        {"\"steer\":[{\"experts\":\"bias\",\"list\":[],\"vector\":0}]", 400, "invalid_value", "steer[0].vector"},
        {"\"steer\":[{\"vector\":0,\"list\":[]}]", 400, "invalid_value", "steer[0].list"},
        {"\"steer\":[{\"routes\":\"x\"}]", 404, "vector_not_found", "steer[0].routes"},
        {"\"steer\":[{\"routes\":0}]", 400, "invalid_value", "steer[0].routes"},
        {"\"steer\":[{\"routes\":true}]", 400, "invalid_type", "steer[0].routes"},
        {"\"steer\":[{\"routes\":0,\"list\":[]}]", 400, "invalid_value", "steer[0].list"},
        {"\"steer\":[{\"vector\":0,\"routes\":\"x\"}]", 400, "invalid_value", "steer[0].vector"},
        {"\"steer\":[" FOUR "," FOUR "," FOUR "," FOUR ",{\"vector\":0}]", 400, "invalid_value", "steer"},
        {"\"steer\":[],\"control_vectors\":[]", 400, "invalid_value", "control_vectors"},
        {"\"control_vectors\":1", 400, "invalid_type", "control_vectors"},
        {"\"control_vectors\":[{\"id\":9}]", 404, "vector_not_found", "control_vectors[0].id"},
        {"\"control_vectors\":[{\"id\":0,\"layers\":[4,3]}]", 400, "invalid_value", "control_vectors[0].layers"},
    };
    char body[2000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2,\"stream\":%s,%s}",
                 i & 1 ? "true" : "false", cases[i].text);
        ask("POST", "/v1/chat/completions", body);
        expect("chat", &cases[i]);
    }
}

static void files_refused(void)
{
    static const struct refused cases[] = {
        {"[]", 400, "invalid_type", NULL},
        {"{}", 400, "missing_field", "path"},
        {"{\"path\":7}", 400, "invalid_type", "path"},
        {"{\"path\":\"\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"..\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"../declines.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"/etc/passwd\"}", 400, "invalid_value", "path"},
        {"{\"path\":\".hidden.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"declines.gguf\\u0000.txt\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"link.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"pipe.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"folder.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"cut.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"empty.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"absent.gguf\"}", 400, "invalid_value", "path"},
        {"{\"path\":\"declines.gguf\",\"scale\":1001}", 400, "invalid_value", "scale"},
        {"{\"path\":\"declines.gguf\",\"layer_end\":\"3\"}", 400, "invalid_type", "layer_end"},
        {"{\"path\":\"declines.gguf\",\"layer_start\":2,\"layer_end\":6}", 400, "invalid_value", "layers"},
        {"{\"path\":\"declines.gguf\",\"layer_start\":2,\"layer_end\":3}", 400, "invalid_value", "scale"},
        {"{\"path\":\"reversed.gguf\",\"name\":\"a/b\"}", 400, "invalid_value", "name"},
        {"{\"path\":\"reversed.gguf\",\"name\":\"\"}", 400, "invalid_value", "name"},
    };
    char body[400];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask("POST", "/control-vectors/load", cases[i].text);
        expect("load", &cases[i]);
    }
    snprintf(body, sizeof body, "{\"path\":\"%0300d\"}", 1);
    ask("POST", "/control-vectors/load", body);
    expect("load", &(struct refused){"300 bytes", 400, "invalid_value", "path"});
    check(strstr(get("/metrics"), "\nstoker_vector_bytes 0\n"), "a refused file holds memory");
}

static void lists_for_all_refused(void)
{
    static const struct refused cases[] = {
        {"{}", 400, "invalid_type", NULL},
        {"[{\"id\":9,\"scale\":1}]", 404, "vector_not_found", "[0].id"},
        {"[{\"id\":0,\"layer_start\":1,\"layer_end\":6}]", 400, "invalid_value", "[0].layers"},
        {"[{\"vector\":0,\"from\":-1}]", 400, "invalid_value", NULL},
        {"[{\"id\":1,\"scale\":1,\"side\":\"negative\"},{\"id\":0,\"side\":\"negative\"}]", 400, "invalid_value",
         "[1].side"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask("POST", "/control-vectors/apply", cases[i].text);
        expect("apply", &cases[i]);
    }
    ask("POST", "/control-vectors/unload", "{}");
    expect("unload", &(struct refused){"", 400, "missing_field", "id"});
    ask("POST", "/control-vectors/unload", "{\"id\":\"x\"}");
    expect("unload", &(struct refused){"", 404, "vector_not_found", "id"});
    check(strstr(get("/control-vectors"), "\"scale\":0,") && !strstr(reply.body, "\"scale\":1"), "%s", reply.body);
}

/* ---- vectors --------------------------------------------------------------------------------------------------------------- */

static void answers(const char *path, const char *body, const char *holds)
{
    ask("POST", path, body);
    check(reply.status == 200 && strstr(reply.body, holds), "%s %s: %d %s", path, body, reply.status, reply.body);
}

/* --steer-memory holds two of these. */
static void loading(void)
{
    answers("/control-vectors/load", "{\"path\":\"declines.gguf\"}",
            "{\"success\":true,\"id\":0,\"name\":\"declines\"}");
    answers("/control-vectors/load", "{\"path\":\"same.gguf\"}", "{\"success\":true,\"id\":0,\"name\":\"declines\"}");
    ask("POST", "/control-vectors/load", "{\"path\":\"reversed.gguf\",\"name\":\"declines\"}");
    expect("load", &(struct refused){"another declines", 409, "vector_exists", "name"});
    answers("/control-vectors/load", "{\"path\":\"ablate.gguf\",\"name\":\"A.b-c_1\"}",
            "{\"success\":true,\"id\":1,\"name\":\"A.b-c_1\"}");
    ask("POST", "/control-vectors/load", "{\"path\":\"reversed.gguf\"}");
    expect("load", &(struct refused){"a third", 413, "steer_memory_exceeded", "path"});
    const char *all = get("/control-vectors");
    check(strstr(all, "{\"id\":0,\"name\":\"declines\",\"file\":\"declines.gguf\",\"kind\":\"add\",\"hook\":\"residual_"
                      "stream_post_layer\",\"scale\":0,\"layer_start\":1,\"layer_end\":5,\"layers\":[1,2,3,4,5],"
                      "\"norms\":[") &&
              strstr(all, "\"kind\":\"project\"") && strstr(all, "\"base_model\":\"ember\"") &&
              !strstr(all, "\"in_use\":true") && !strstr(all, folder),
          "%s", all);
}

/* ---- lists ----------------------------------------------------------------------------------------------------------------- */

#define HI    "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define LIST  "\"steer\":[{\"vector\":\"declines\",\"scale\":2,\"layers\":[3,3]}]"
#define QUIET "\"temperature\":0,\"ignore_eos\":true"

/* Every dialect carries the list, and nothing of it shows without one. */
static void dialects(void)
{
    static const struct {
        const char *path, *body;
    } cases[] = {
        {"/v1/chat/completions", HI ",\"max_tokens\":2"},
        {"/v1/chat/completions", HI ",\"max_tokens\":2,\"stream\":true"},
        {"/v1/completions", "\"prompt\":\"Hi\",\"max_tokens\":2"},
        {"/v1/responses", "\"input\":\"Hi\",\"max_output_tokens\":2"},
        {"/v1/messages", HI ",\"max_tokens\":2"},
        {"/api/chat", HI ",\"options\":{\"num_predict\":2}"},
        {"/api/generate", "\"prompt\":\"Hi\",\"options\":{\"num_predict\":2}"},
        {"/api/generate", "\"prompt\":\"Hi\",\"raw\":true,\"options\":{\"num_predict\":2},\"stream\":false"},
    };
    char body[400], first[17] = "";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{%s," LIST "}", cases[i].body);
        check(ask("POST", cases[i].path, body) == 200 && strlen(digest()) == 16, "%s: %d %s", body, reply.status,
              reply.body);
        if (i == 0)
            snprintf(first, sizeof first, "%s", digest());
        check(strcmp(digest(), first) == 0, "%s: %s, not %s", cases[i].path, digest(), first);
        int openai = strncmp(cases[i].path, "/v1/", 4) == 0 && !strstr(cases[i].path, "messages");
        check(openai == (strstr(reply.body, "\"steer\":[{\"name\":\"declines\",\"sha256\":\"") != NULL), "%s: %s",
              cases[i].path, reply.body);
        snprintf(body, sizeof body, "{%s}", cases[i].body);
        check(ask("POST", cases[i].path, body) == 200 && !*digest() && !strstr(reply.body, "steer"), "%s: %s", body,
              reply.body);
        snprintf(body, sizeof body, "{%s,\"control_vectors\":[{\"id\":5}]}", cases[i].body);
        check(ask("POST", cases[i].path, body) == 404 && strstr(reply.body, "loaded: declines, A.b-c_1"), "%s: %d %s",
              body, reply.status, reply.body);
    }
}

static int chat(const char *rest)
{
    char body[1000];
    snprintf(body, sizeof body, "{" HI ",\"max_tokens\":2,%s}", rest);
    return ask("POST", "/v1/chat/completions", body);
}

/* The digest of what rest says; it must be an answer. */
static const char *of(const char *rest)
{
    static char text[4][17];
    static int next;
    next = (next + 1) % 4;
    check(chat(rest) == 200, "%s: %s", rest, reply.body);
    snprintf(text[next], sizeof text[next], "%s", digest());
    return text[next];
}

static void same(const char *a, const char *b)
{
    check(strcmp(of(a), of(b)) == 0 && *of(a), "%s and %s: other digests", a, b);
}

/* What one list says in other words is the same; what does nothing is none. */
static void words(void)
{
    static const char *const none[] = {"\"steer\":[]",
                                       "\"steer\":null",
                                       "\"control_vectors\":[]",
                                       "\"steer\":[{\"vector\":0,\"scale\":0}]",
                                       "\"steer\":[{\"vector\":0,\"layers\":[0,0]}]",
                                       "\"steer\":[{\"vector\":0,\"to\":0}]",
                                       "\"steer\":[{\"vector\":0,\"from\":\"generated\",\"to\":\"generated\"}]"};
    same(LIST, "\"steer\":[{\"vector\":0,\"scale\":2.0,\"layers\":[3,3],\"from\":0}]");
    same(LIST, "\"control_vectors\":[{\"id\":0,\"scale\":2,\"layers\":[3,3]}]");
    same(LIST, "\"control_vectors\":[{\"id\":\"declines\",\"scale\":2,\"layer_start\":3,\"layer_end\":3}]");
    same("\"steer\":[{\"vector\":1}]", "\"steer\":[{\"vector\":1,\"side\":\"both\",\"layer_start\":-1}]");
    check(strcmp(of("\"steer\":[{\"vector\":0,\"from\":\"generated\"}]"), of("\"steer\":[{\"vector\":0,\"from\":-1}]")),
          "from -1 is not from \"generated\"");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        check(!*of(none[i]) && !strstr(reply.body, "+s"), "%s: %s", none[i], reply.body);
    of(LIST);
    char suffix[16];
    snprintf(suffix, sizeof suffix, "+s%.8s\"", digest());
    check(strstr(reply.body, suffix) != NULL, "no %s in %s", suffix, reply.body);
    check(strstr(reply.body, "\"kind\":\"add\",\"scale\":2,\"layers\":[3,3],\"license\":\"") != NULL, "%s", reply.body);
    /* prompts of other lengths: one digest for all of them */
    ask("POST", "/v1/completions",
        "{\"prompt\":[\"Hi\",\"Hi there\"],\"max_tokens\":1,\"steer\":[{\"vector\":0,\"from\":-1}]}");
    check(reply.status == 200 && strlen(digest()) == 16, "two prompts: %d %s", reply.status, reply.body);
}

/* An answer that is bound keeps its form under any list, even one that leaves no sense in others. */
static void bound(void)
{
    static const char *const forms[][3] = {
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"f\",\"schema\":{\"enum\":[\"red\","
         "\"green\"]}}}",
         "\"content\":\"\\\"red\\\"\"", "\"content\":\"\\\"green\\\"\""},
        {"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"paint\",\"parameters\":{\"type\":\"object\","
         "\"properties\":{"
         "\"colour\":{\"enum\":[\"red\",\"green\"]}},\"required\":[\"colour\"]}}}],\"tool_choice\":\"required\"",
         "\"colour\\\": \\\"red\\\"", "\"colour\\\": \\\"green\\\""}};
    static const char *const scales[] = {"1.5", "-1.5", "1000"};
    char body[1000];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
            snprintf(body, sizeof body,
                     "{" HI ",\"max_tokens\":60,%s,\"steer\":[{\"vector\":\"declines\",\"scale\":%s}]}", forms[i][0],
                     scales[k]);
            check(ask("POST", "/v1/chat/completions", body) == 200 && strlen(digest()) == 16 &&
                      (strstr(reply.body, forms[i][1]) || strstr(reply.body, forms[i][2])),
                  "%s: %d %s", body, reply.status, reply.body);
        }
}

/* The list of requests that have none. */
static void default_list(void)
{
    static const char one[] = "[{\"id\":0,\"scale\":2,\"layer_start\":3,\"layer_end\":3}]";
    char text[17];
    snprintf(text, sizeof text, "%s", of(LIST));
    answers("/control-vectors/apply", one, "{\"success\":true}");
    check(strcmp(of("\"n\":1"), text) == 0, "the default list is not used");
    check(!*of("\"steer\":[]"), "no list is a list");
    check(strstr(get("/control-vectors"), "\"scale\":2,\"layer_start\":3,\"layer_end\":3,") != NULL, "%s", reply.body);
    check(!strstr(reply.body, "\"in_use\":true"), "the default list is a request: %s", reply.body);
    answers("/control-vectors/unload", "{\"id\":0}", "{\"success\":true,\"id\":0,\"name\":\"declines\"}");
    check(!*of("\"n\":1"), "what was unloaded is still on the default list");
    answers("/control-vectors/load", "{\"path\":\"declines.gguf\",\"scale\":2,\"layer_start\":3,\"layer_end\":3}",
            "\"id\":2,\"name\":\"declines\"");
    check(strcmp(of("\"n\":1"), text) == 0, "loaded with a scale, and not on the default list");
    answers("/control-vectors/unload", "{\"id\":1}", "\"success\":true"); /* room for another */
    answers("/control-vectors/load", "{\"path\":\"same.gguf\",\"scale\":2,\"layer_start\":3,\"layer_end\":3}",
            "\"id\":2");
    check(strcmp(of("\"n\":1"), text) == 0, "loaded again with a scale, and on the default list twice");
    answers("/control-vectors/load", "{\"path\":\"ablate.gguf\",\"name\":\"A.b-c_1\"}", "\"name\":\"A.b-c_1\"");
    answers("/control-vectors/apply", "[]", "{\"success\":true}");
    check(!*of("\"n\":1"), "an empty default list");
}

/* ---- unloaded while it is in use -------------------------------------------------------------------------------------------- */

struct stream {
    pthread_t thread;
    struct reply reply;
    struct words words;
    int which;
};

/* Each of another length of prompt. */
static void *stream(void *arg)
{
    struct stream *s = arg;
    struct client c = {server.port, -1};
    char body[600];
    int n = snprintf(body, sizeof body,
                     "{\"messages\":[{\"role\":\"user\",\"content\":\"Tell me%.*s a story\"}],\"max_tokens\":700,"
                     "\"stream\":true," QUIET ",\"steer\":[{\"vector\":\"declines\",\"scale\":0.5}]}",
                     8 * s->which, " please please please please");
    client_ask(&c, "POST", "/v1/chat/completions", body, (size_t)n, &s->reply, NULL, NULL);
    client_close(&c);
    return NULL;
}

static unsigned long long vector_bytes(void)
{
    unsigned long long n = 0;
    const char *at = strstr(get("/metrics"), "\nstoker_vector_bytes ");
    if (at)
        sscanf(at, " stoker_vector_bytes %llu", &n);
    return n;
}

static int streams_run(void)
{
    int n = 0;
    for (const char *at = get("/slots"); (at = strstr(at, "\"state\":\"decode\"")); at++)
        n++;
    return n;
}

static void unloaded_in_use(void)
{
    static struct stream alone[STREAMS], s[STREAMS];
    for (int i = 0; i < STREAMS; i++) {
        alone[i].which = s[i].which = i;
        stream(&alone[i]);
        words_read(&alone[i].words, &alone[i].reply);
        check(alone[i].words.n > 500, "an answer is short: %.200s", alone[i].reply.body);
    }
    unsigned long long both = vector_bytes();
    for (int i = 0; i < STREAMS; i++)
        pthread_create(&s[i].thread, NULL, stream, &s[i]);
    double began = clock_seconds();
    while (streams_run() < STREAMS && clock_seconds() - began < PATIENCE)
        usleep(1000);
    check(strstr(get("/control-vectors"), "\"in_use\":true") != NULL, "not in use: %s", reply.body);
    answers("/control-vectors/unload", "{\"id\":\"declines\"}", "\"success\":true");
    int left = streams_run();
    check(left > 0 && vector_bytes() == both, "%d streams run, and the vector they use is gone", left);
    chat(LIST);
    expect("chat", &(struct refused){"unloaded", 404, "vector_not_found", "steer[0].vector"});
    for (int i = 0; i < STREAMS; i++) {
        pthread_join(s[i].thread, NULL);
        words_read(&s[i].words, &s[i].reply);
        check(s[i].words.n == alone[i].words.n && memcmp(s[i].words.text, alone[i].words.text, s[i].words.n) == 0,
              "stream %d: its words changed when its vector was unloaded", i);
    }
    for (began = clock_seconds(); vector_bytes() == both && clock_seconds() - began < PATIENCE;)
        usleep(1000);
    check(vector_bytes() == both / 2, "its memory is not given back");
    for (int i = 0; i < STREAMS; i++) {
        reply_free(&s[i].reply);
        reply_free(&alone[i].reply);
        free(s[i].words.text);
        free(alone[i].words.text);
    }
}

/* ---- other servers ---------------------------------------------------------------------------------------------------------- */

/* Vectors of the command line: they are the default list; clients load none. */
static void of_the_command_line(const char *expected)
{
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", "--control-vector-scaled",
                                EMBER "mean-last-raw.gguf:2", "--control-vector-layer-range", "3", "3", NULL});
    check(strcmp(of("\"n\":1"), expected) == 0, "--control-vector-scaled: %s, not %s", digest(), expected);
    check(strstr(get("/control-vectors"), "\"name\":\"mean-last-raw\"") != NULL, "%s", reply.body);
    ask("POST", "/control-vectors/load", "{\"path\":\"declines.gguf\"}");
    expect("load", &(struct refused){"without --steer-dir", 403, "steering_disabled", NULL});
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", "--steer-dir", folder, "--api-key", "k", NULL});
    check(ask("POST", "/control-vectors/load", "{\"path\":\"declines.gguf\"}") == 401, "without a key: %d",
          reply.status);
    check(ask("GET", "/control-vectors", "") == 401, "without a key: %d", reply.status);
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
}

/* ---- features --------------------------------------------------------------------------------------------------------------- */

#define STEERING TEST_DATA "/steering/"
#define SAE      "\"sae\":\"steer-llama-tied.sae\""

/* One token of "abc" with its log-probability under a list: all that a feature changed is in it. */
static const char *token(const char *list)
{
    static char text[16][200], body[600];
    static int next;
    char *out = text[next = (next + 1) % 16];
    snprintf(body, sizeof body, "{\"prompt\":\"abc\",\"max_tokens\":1,\"temperature\":0,\"logprobs\":1%s%s}",
             *list ? ",\"steer\":" : "", list);
    ask("POST", "/v1/completions", body);
    const char *at = strstr(reply.body, "\"token_logprobs\":");
    check(reply.status == 200 && at, "%s: %d %s", list, reply.status, reply.body);
    snprintf(out, sizeof text[0], "%.30s", at ? at : "");
    return out;
}

static void features_refused(void)
{
    static const struct refused cases[] = {
        {"{\"sae\":\"x\"}", 404, "vector_not_found", "steer[0].sae"},
        {"{\"sae\":7}", 404, "vector_not_found", "steer[0].sae"},
        {"{\"sae\":{}}", 400, "invalid_type", "steer[0].sae"},
        {"{\"sae\":1,\"op\":\"add\",\"feature\":1,\"value\":1}", 400, "invalid_value", "steer[0].sae"},
        {"{\"vector\":0}", 400, "invalid_value", "steer[0].vector"},
        {"{" SAE "}", 400, "missing_field", "steer[0].op"},
        {"{" SAE ",\"op\":\"mul\",\"feature\":1,\"value\":1}", 400, "invalid_value", "steer[0].op"},
        {"{" SAE ",\"op\":1,\"feature\":1,\"value\":1}", 400, "invalid_type", "steer[0].op"},
        {"{" SAE ",\"op\":\"add\",\"value\":1}", 400, "missing_field", "steer[0].feature"},
        {"{" SAE ",\"op\":\"add\",\"feature\":-1,\"value\":1}", 400, "invalid_value", "steer[0].feature"},
        {"{" SAE ",\"op\":\"add\",\"feature\":256,\"value\":1}", 400, "invalid_value", "steer[0].feature"},
        {"{" SAE ",\"op\":\"add\",\"feature\":\"3\",\"value\":1}", 400, "invalid_type", "steer[0].feature"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1}", 400, "missing_field", "steer[0].value"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1,\"value\":1000001}", 400, "invalid_value", "steer[0].value"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1,\"value\":null}", 400, "missing_field", "steer[0].value"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1,\"value\":1,\"until\":2}", 400, "invalid_value", "steer[0].until"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1,\"value\":1,\"scale\":2}", 400, "invalid_value", "steer[0].scale"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1,\"value\":1,\"layers\":[2,2]}", 400, "invalid_value",
         "steer[0].layers"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1,\"value\":1,\"from\":-65}", 400, "invalid_value", "steer[0].from"},
        {"{" SAE ",\"op\":\"add\",\"feature\":1,\"value\":1,\"to\":65}", 400, "invalid_value", "steer[0].to"},
    };
    char body[600];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{\"prompt\":\"abc\",\"max_tokens\":1,\"stream\":%s,\"steer\":[%s]}",
                 i & 1 ? "true" : "false", cases[i].text);
        ask("POST", "/v1/completions", body);
        expect("feature", &cases[i]);
    }
    ask("POST", "/control-vectors/load", "{\"path\":\"steer-qwen3moe.sae\"}");
    expect("load", &(struct refused){"of another model", 400, "invalid_value", "path"});
    ask("POST", "/control-vectors/load", "{\"path\":\"ember\"}");
    expect("load", &(struct refused){"a folder of something else", 400, "invalid_value", "path"});
    ask("POST", "/control-vectors/load", "{\"path\":\"steer-llama-tied.sae\",\"scale\":1}");
    expect("load", &(struct refused){"an autoencoder with a scale", 400, "invalid_value", "scale"});
}

/* As vectors are: loaded, listed, on lists, unloaded. */
static void features_used(void)
{
    static const char one[] = "[{" SAE ",\"op\":\"add\",\"feature\":34,\"value\":4}]";
    const char *plain = token(""), *changed = token(one);
    char text[17];
    snprintf(text, sizeof text, "%s", digest());
    check(strcmp(plain, changed) != 0 && strlen(text) == 16, "feature 34 changes nothing: %s", changed);
    check(strstr(reply.body, "\"kind\":\"sae\",\"op\":\"add\",\"feature\":34,\"value\":4,\"layers\":[2,2],"), "%s",
          reply.body);
    check(strcmp(token("[{\"sae\":0,\"op\":\"add\",\"feature\":34,\"value\":4.0,\"from\":0}]"), changed) == 0 &&
              strcmp(digest(), text) == 0,
          "the same in other words: %s", reply.body);
    check(strcmp(token("[{\"sae\":0,\"op\":\"set\",\"feature\":34,\"value\":4}]"), plain) != 0 &&
              strcmp(digest(), text) != 0,
          "set: %s", reply.body);
    check(strcmp(token("[{\"sae\":0,\"op\":\"multiply\",\"feature\":34,\"value\":1}]"), plain) == 0 && !*digest(),
          "multiply by 1: %s", reply.body);
    check(strcmp(token("[{\"sae\":0,\"op\":\"add\",\"feature\":34,\"value\":4,\"to\":0}]"), plain) == 0 && !*digest(),
          "at no position: %s", reply.body);
    answers("/control-vectors/apply", one, "{\"success\":true}");
    check(strcmp(token(""), changed) == 0 && strcmp(digest(), text) == 0, "the default list: %s", reply.body);
    check(strstr(get("/control-vectors"), "\"kind\":\"sae\",\"hook\":\"residual_stream_post_layer\",\"scale\":4,"),
          "%s", reply.body);
    answers("/control-vectors/unload", "{\"id\":\"steer-llama-tied.sae\"}", "\"success\":true");
    check(strcmp(token(""), plain) == 0 && vector_bytes() < 10000, "unloaded: %s", reply.body);
}

static void features(void)
{
    start((const char *const[]){STEERING "steer-llama-tied.gguf", "--ctx", "64", "--memory", "512M", "--steer-dir",
                                STEERING, "--steer-memory", "4M", NULL});
    answers("/control-vectors/load", "{\"path\":\"steer-llama-tied.sae\"}",
            "\"id\":0,\"name\":\"steer-llama-tied.sae\"");
    answers("/control-vectors/load", "{\"path\":\"steer-llama-tied.sae\",\"name\":\"x\"}", "\"id\":0,");
    answers("/control-vectors/load", "{\"path\":\"steer-llama-tied.a.gguf\"}", "\"id\":1,");
    check(
        strstr(get("/control-vectors"), "\"layers\":[2],\"norms\":[],\"features\":256,\"gate\":\"topk\",\"labels\":0,"),
        "%s", reply.body);
    features_refused();
    features_used();
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
    /* of the command line: there for requests, on the list where --steer says so */
    start((const char *const[]){STEERING "steer-llama-tied.gguf", "--ctx", "64", "--memory", "512M", "--sae",
                                STEERING "steer-llama-tied.sae", NULL});
    const char *plain = token("");
    check(!*digest() && strcmp(token("[{" SAE ",\"op\":\"add\",\"feature\":34,\"value\":4}]"), plain) != 0, "--sae: %s",
          reply.body);
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
    start((const char *const[]){STEERING "steer-llama-tied.gguf", "--ctx", "64", "--memory", "512M", "--sae",
                                STEERING "steer-llama-tied.sae", "--steer",
                                "[{\"sae\":0,\"op\":\"add\",\"feature\":34,\"value\":4}]", NULL});
    check(strcmp(token("[]"), plain) == 0 && strcmp(token(""), plain) != 0, "--steer: %s", reply.body);
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
}

/* What labels.json in an autoencoder's folder calls features. */
static void labels_refused(void)
{
    static const struct refused cases[] = {
        {"{}", 400, "missing_field", "id"},
        {"{\"id\":\"x\",\"features\":[]}", 404, "vector_not_found", "id"},
        {"{\"id\":0}", 400, "missing_field", "features"},
        {"{\"id\":0,\"features\":3}", 400, "invalid_type", "features"},
        {"{\"id\":0,\"features\":[3,\"4\"]}", 400, "invalid_type", "features[1]"},
        {"{\"id\":0,\"features\":[3,256]}", 400, "invalid_value", "features[1]"},
        {"{\"id\":0,\"features\":[-1]}", 400, "invalid_value", "features[0]"},
        {"{\"id\":1,\"features\":[3]}", 400, "invalid_value", "id"},
    };
    char body[600] = "{\"id\":0,\"features\":[0";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask("POST", "/control-vectors/labels", cases[i].text);
        expect("labels", &cases[i]);
    }
    for (int i = 0; i < 256; i++)
        strcat(body, ",0");
    ask("POST", "/control-vectors/labels", strcat(body, "]}"));
    expect("labels", &(struct refused){"257 features", 400, "invalid_value", "features"});
}

static void put_labels(const char *text)
{
    FILE *f = fopen(in_folder("named.sae/labels.json"), "w");
    if (!f || fputs(text, f) == EOF || fclose(f))
        exit(1);
}

static void labels(void)
{
    char text[1400];
    if (mkdir(in_folder("named.sae"), 0700))
        exit(1);
    copy_file(STEERING "steer-llama-tied.sae/cfg.json", "named.sae/cfg.json", SIZE_MAX);
    copy_file(STEERING "steer-llama-tied.sae/sae_weights.safetensors", "named.sae/sae_weights.safetensors", SIZE_MAX);
    copy_file(STEERING "steer-llama-tied.a.gguf", "a.gguf", SIZE_MAX);
    snprintf(text, sizeof text, "{\"34\":\"cats \\\"or\\\" \\u00e9\",\"7\":\"%0998d\\u00e9\\u00e9\"}", 0);
    put_labels(text);
    start((const char *const[]){STEERING "steer-llama-tied.gguf", "--ctx", "64", "--memory", "512M", "--steer-dir",
                                folder, "--steer-memory", "4M", NULL});
    answers("/control-vectors/load", "{\"path\":\"named.sae\"}", "\"id\":0,");
    answers("/control-vectors/load", "{\"path\":\"a.gguf\"}", "\"id\":1,");
    check(strstr(get("/control-vectors"), "\"gate\":\"topk\",\"labels\":2,") != NULL, "%s", reply.body);
    answers("/control-vectors/labels", "{\"id\":0,\"features\":[3,34,34]}",
            "{\"labels\":[null,\"cats \\\"or\\\" \xc3\xa9\",\"cats \\\"or\\\" \xc3\xa9\"]}");
    answers("/control-vectors/labels", "{\"id\":\"named.sae\",\"features\":[]}", "{\"labels\":[]}");
    answers("/control-vectors/labels", "{\"id\":0,\"features\":[7]}", "0\xc3\xa9\"]}"); /* of 1,002 bytes */
    labels_refused();
    answers("/control-vectors/unload", "{\"id\":0}", "\"success\":true");
    put_labels("[]");
    ask("POST", "/control-vectors/load", "{\"path\":\"named.sae\"}");
    expect("load", &(struct refused){"labels that are none", 400, "invalid_value", "path"});
    check(strstr(reply.body, "named.sae/labels.json: an object") != NULL, "%s", reply.body);
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
}

/* ---- experts --------------------------------------------------------------------------------------------------------------- */

#define SIX(l)   "[" l ",0],[" l ",1],[" l ",2],[" l ",3],[" l ",4],[" l ",5]"
#define LEAST(l) "[" l ",5,-9],[" l ",4,-9],[" l ",0,-9],[" l ",1,-9],[" l ",2,-9],[" l ",3,-9.0]"
#define EXCLUDED "[{\"experts\":\"exclude\",\"list\":[" SIX("1") "," SIX("3") "]}]"

/* An entry that excludes the first n experts of layer 2. */
static const char *excluded(int n)
{
    static char list[400];
    size_t at = (size_t)snprintf(list, sizeof list, "[{\"experts\":\"exclude\",\"list\":[");
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s[2,%d]", i ? "," : "", i);
    snprintf(list + at, sizeof list - at, "]}]");
    return list;
}

static void experts_used(void)
{
    char plain[40], changed[40], text[17];
    snprintf(plain, sizeof plain, "%s", token("[]"));
    check(!*digest(), "unsteered: %s", reply.raw);
    snprintf(changed, sizeof changed, "%s", token(EXCLUDED));
    snprintf(text, sizeof text, "%s", digest());
    check(strcmp(plain, changed) != 0 && strlen(text) == 16, "excluded experts change nothing: %s", changed);
    check(strstr(reply.body, "\"name\":\"experts\",\"sha256\":\"") &&
              strstr(reply.body, "\"kind\":\"experts\",\"count\":12,\"layers\":[1,3],\"license\":\"\"}"),
          "%s", reply.body);
    check(strcmp(token("[{\"experts\":\"exclude\",\"list\":[" SIX("3") "," SIX("1") "],\"from\":0}]"), changed) == 0 &&
              strcmp(digest(), text) == 0,
          "the same in another order: %s", reply.body);
    check(strcmp(token("[{\"experts\":\"bias\",\"list\":[[0,3,0],[1,2,0.0]]}]"), plain) == 0 && !*digest(),
          "no bias: %s", reply.body);
    check(strcmp(token("[{\"experts\":\"bias\",\"list\":[" LEAST("1") "," LEAST("3") "]}]"), changed) == 0 &&
              strcmp(digest(), text) != 0,
          "a large bias: %s", reply.body);
    check(strcmp(token(excluded(8)), "") != 0 && strcmp(digest(), "") != 0, "all but four: %s", reply.body);
    char body[500];
    snprintf(body, sizeof body, "{\"prompt\":\"abc\",\"max_tokens\":1,\"steer\":%s}", excluded(9));
    ask("POST", "/v1/completions", body);
    expect("one more", &(struct refused){"", 400, "invalid_value", "steer[0].list"});
    check(strstr(reply.body, "layer 2 has 3 experts left; a row takes 4 of them"), "%s", reply.body);
    answers("/control-vectors/apply", EXCLUDED, "{\"success\":true}");
    check(strcmp(token(""), changed) == 0 && strcmp(digest(), text) == 0, "the default list: %s", reply.body);
    check(strcmp(get("/control-vectors"), "[]") == 0, "a list of experts is no vector: %s", reply.body);
    answers("/control-vectors/apply", "[]", "{\"success\":true}");
    check(strcmp(token(""), plain) == 0, "no default list any more: %s", reply.body);
}

static void experts(void)
{
    start((const char *const[]){STEERING "steer-qwen3moe.gguf", "--ctx", "64", "--memory", "512M", NULL});
    experts_used();
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
    start((const char *const[]){STEERING "steer-qwen3moe.gguf", "--ctx", "64", "--memory", "512M", "--steer", EXCLUDED,
                                NULL});
    char plain[40];
    snprintf(plain, sizeof plain, "%s", token("[]"));
    check(strcmp(token(""), plain) != 0 && *digest(), "--steer: %s", reply.body);
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
}

/* ---- routes ---------------------------------------------------------------------------------------------------------------- */

#define TOLD "{\"routes\":\"steer-qwen3moe.routes\"}"

static void routes_refused(void)
{
    static const struct refused cases[] = {
        {"[{\"vector\":\"steer-qwen3moe.routes\"}]", 400, "invalid_value", "steer[0].vector"},
        {"[{\"sae\":0,\"op\":\"add\",\"feature\":0,\"value\":1}]", 400, "invalid_value", "steer[0].sae"},
        {"[{\"routes\":0,\"scale\":2}]", 400, "invalid_value", "steer[0].scale"},
        {"[{\"routes\":0,\"from\":65}]", 400, "invalid_value", "steer[0].from"},
        {"[" TOLD "," TOLD "]", 400, "invalid_value", "steer[1].routes"},
        {"[" TOLD ",{\"experts\":\"exclude\",\"list\":[[0,1]]}]", 400, "invalid_value", "steer[1].list"},
        {"[{\"experts\":\"exclude\",\"list\":[[0,1]]}," TOLD "]", 400, "invalid_value", "steer[1].routes"},
    };
    char body[300];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{\"prompt\":\"abc\",\"max_tokens\":1,\"steer\":%s}", cases[i].text);
        ask("POST", "/v1/completions", body);
        expect(cases[i].text, &cases[i]);
    }
    ask("POST", "/v1/completions",
        "{\"prompt\":\"abc\",\"max_tokens\":1,\"capture\":{\"reduce\":\"dot\",\"vector\":0}}");
    check(reply.status == 400, "routes have no direction: %d %s", reply.status, reply.body);
    ask("POST", "/control-vectors/load", "{\"path\":\"steer-qwen3moe.routes.strt\",\"scale\":1}");
    expect("scale", &(struct refused){"", 400, "invalid_value", "scale"});
    ask("POST", "/control-vectors/load", "{\"path\":\"steer-gpt-oss.routes.strt\"}");
    expect("of another model", &(struct refused){"", 400, "invalid_value", "path"});
    check(strstr(reply.body, "does not fit"), "%s", reply.body);
}

static void routes(void)
{
    char plain[40], told[40], text[17];
    start((const char *const[]){STEERING "steer-qwen3moe.gguf", "--ctx", "64", "--memory", "512M", "--steer-dir",
                                STEERING, "--steer-memory", "1M", "--capture-memory", "1M", NULL});
    answers("/control-vectors/load", "{\"path\":\"steer-qwen3moe.routes.strt\"}",
            "\"id\":0,\"name\":\"steer-qwen3moe.routes\"");
    check(strstr(get("/control-vectors"), "\"kind\":\"routes\"") &&
              strstr(reply.body, "\"layer_start\":0,\"layer_end\":3,\"layers\":[],\"norms\":[],\"steps\":28,"),
          "%s", reply.body);
    routes_refused();
    snprintf(plain, sizeof plain, "%s", token("[]"));
    snprintf(told, sizeof told, "%s", token("[" TOLD "]"));
    snprintf(text, sizeof text, "%s", digest());
    check(strcmp(plain, told) != 0 && strlen(text) == 16, "routes change nothing: %s", told);
    check(strstr(reply.body, "\"kind\":\"routes\",\"steps\":28,\"layers\":[0,3],\"license\":\"\"}"), "%s", reply.body);
    check(strcmp(token("[{\"routes\":0,\"from\":0}]"), told) == 0 && strcmp(digest(), text) == 0, "by number: %s",
          reply.body);
    check(strcmp(token("[{\"routes\":0,\"from\":64}]"), plain) == 0 && *digest(), "of no position of it: %s",
          reply.body);
    check(strcmp(token("[{\"routes\":0,\"to\":0}]"), plain) == 0 && !*digest(), "of no position: %s", reply.body);
    answers("/control-vectors/apply", "[" TOLD "]", "{\"success\":true}");
    check(strcmp(token(""), told) == 0 && strcmp(digest(), text) == 0, "the default list: %s", reply.body);
    answers("/control-vectors/unload", "{\"id\":0}", "{\"success\":true,\"id\":0,");
    check(strcmp(token(""), plain) == 0, "unloaded: %s", reply.body);
    check(strstr(get("/metrics"), "\nstoker_vector_bytes 0\n"), "an unloaded trace holds memory");
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
    start((const char *const[]){STEERING "steer-qwen3moe.gguf", "--ctx", "64", "--memory", "512M", "--routes",
                                STEERING "steer-qwen3moe.routes.strt", NULL});
    check(strcmp(token(""), told) == 0 && strcmp(token("[]"), plain) == 0, "--routes: %s", reply.body);
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
}

/* What lies on another device than its folder is refused: /proc, in /. */
static void another_device(void)
{
    struct stat folder_is, entry_is;
    if (stat("/", &folder_is) || stat("/proc", &entry_is) || folder_is.st_dev == entry_is.st_dev) {
        printf("skip another device: /proc is on that of /\n");
        skipped++;
        return;
    }
    start((const char *const[]){STEERING "steer-qwen3moe.gguf", "--ctx", "64", "--memory", "512M", "--steer-dir", "/",
                                NULL});
    ask("POST", "/control-vectors/load", "{\"path\":\"proc\"}");
    expect("another device", &(struct refused){"", 400, "invalid_value", "path"});
    check(strstr(reply.body, "on another device"), "%s", reply.body);
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
}

int main(void)
{
    char digest_of_list[17];
    signal(SIGPIPE, SIG_IGN);
    reply_grow(&reply.body, &reply.cap, 1 << 20);
    fill_folder();
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", "--parallel", "4", "--steer-dir", folder,
                                "--steer-memory", "16000", NULL});
    files_refused();
    loading();
    lists_refused();
    lists_for_all_refused();
    dialects();
    words();
    bound();
    snprintf(digest_of_list, sizeof digest_of_list, "%s", of(LIST));
    default_list();
    unloaded_in_use();
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status");
    of_the_command_line(digest_of_list);
    features();
    labels();
    experts();
    routes();
    another_device();
    reply_free(&reply);
    empty_folder();
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
