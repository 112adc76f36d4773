/* links: base
 *
 * Recording through a server: the field "capture" of chats and completions, POST /activations as a file and as JSON, what is refused and
 * how, and what is left behind by clients that go, disks that are full and a server that is killed: nothing.
 *
 *     build/tests/serve_activations
 *
 * STOKER names the program (build/stoker). A file is read by a reader of its own here, and compared with that of `stoker activations`. */
#include "check.h"
#include "separator_model.h"
#include "server_client.h"
#include "temporary.h"

#include <dirent.h>
#include <sys/resource.h>

#define STEERING TEST_DATA "/steering/"
#define EMBER    STEERING "ember/"

enum { PATIENCE = SANITIZED ? 240 : 60, BODY = 16 << 10 };

static char folder[TEMPORARY_PATH], log_file[TEMPORARY_PATH + 16], own_file[TEMPORARY_PATH + 32];
static struct server_process server;
static struct reply reply;

static void start(const char *const *flags)
{
    if (server_start(&server, flags, log_file) || server_ready(&server, PATIENCE)) {
        printf("FAILED: no server; see %s\n", log_file);
        exit(1);
    }
}

static void end(void) { check(server_end(&server, SIGTERM, PATIENCE) == 0, "exit status"); }

static int ask(const char *method, const char *path, const char *body)
{
    struct client c = {server.port, -1};
    reply.status = 0;
    client_ask(&c, method, path, body, strlen(body), &reply, NULL, NULL);
    client_close(&c);
    return reply.status;
}

/* Entries of the folder; it must have none at any time. */
static int files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));)
        n += *e->d_name != '.' || strncmp(e->d_name, ".stoker", 7) == 0;
    if (d)
        closedir(d);
    return n;
}

/* Files without a name that the server holds open. */
static int open_files(void)
{
    char path[64], link[300], to[300];
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)server.pid);
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        snprintf(link, sizeof link, "%s/%.200s", path, e->d_name);
        ssize_t k = readlink(link, to, sizeof to - 1);
        to[k > 0 ? k : 0] = 0;
        n += strncmp(to, folder, strlen(folder)) == 0 && to[strlen(folder)] == '/';
    }
    if (d)
        closedir(d);
    return n;
}

/* ---- refusals -------------------------------------------------------------------------------------------------------------- */

struct refused {
    const char *text;
    int status;
    const char *code, *param; /* NULL: null */
};

static void expect(const char *what, const struct refused *c)
{
    char param[80], code[80];
    snprintf(param, sizeof param, c->param ? "\"param\":\"%s\"" : "\"param\":null", c->param);
    snprintf(code, sizeof code, c->code ? "\"code\":\"%s\"" : "\"code\":null", c->code);
    check(reply.status == c->status && strstr(reply.body, code) && strstr(reply.body, param),
          "%s %s: %d %s, not %d %s %s", what, c->text, reply.status, reply.body, c->status, c->code ? c->code : "-",
          c->param ? c->param : "-");
}

/* Of a model of 6 layers, all with experts, and a context of 1024 positions; the prompt has fewer than 30. */
static void fields_refused(void)
{
    static const struct refused cases[] = {
        {"\"capture\":[]", 400, "invalid_type", "capture"},
        {"\"capture\":true", 400, "invalid_type", "capture"},
        {"\"capture\":{\"layers\":3}", 400, "invalid_type", "capture.layers"},
        {"\"capture\":{\"layers\":[]}", 400, "invalid_value", "capture.layers"},
        {"\"capture\":{\"layers\":[\"3\"]}", 400, "invalid_type", "capture.layers[0]"},
        {"\"capture\":{\"layers\":[1.5]}", 400, "invalid_type", "capture.layers[0]"},
        {"\"capture\":{\"layers\":[0,6]}", 400, "invalid_value", "capture.layers[1]"},
        {"\"capture\":{\"layers\":[-1]}", 400, "invalid_value", "capture.layers[0]"},
        {"\"capture\":{\"layers\":[[3]]}", 400, "invalid_value", "capture.layers[0]"},
        {"\"capture\":{\"layers\":[[3,2]]}", 400, "invalid_value", "capture.layers[0]"},
        {"\"capture\":{\"layers\":[[3,6]]}", 400, "invalid_value", "capture.layers[0][1]"},
        {"\"capture\":{\"layers\":[9007199254740993]}", 400, "invalid_value", "capture.layers[0]"},
        {"\"capture\":{\"tensors\":\"resid_post\"}", 400, "invalid_type", "capture.tensors"},
        {"\"capture\":{\"tensors\":[]}", 400, "invalid_value", "capture.tensors"},
        {"\"capture\":{\"tensors\":[3]}", 400, "invalid_type", "capture.tensors[0]"},
        {"\"capture\":{\"tensors\":[\"final\",\"x\"]}", 400, "invalid_value", "capture.tensors[1]"},
        {"\"capture\":{\"tensors\":[\"final\\u0000\"]}", 400, "invalid_value", "capture.tensors[0]"},
        {"\"capture\":{\"tensors\":[\"lens\"],\"to\":100}", 200, "", ""},
        {"\"capture\":{\"tensors\":[\"lens\"],\"reduce\":\"mean\"}", 400, "invalid_value", "capture.tensors"},
        {"\"capture\":{\"tensors\":[\"router_ids\"],\"reduce\":\"norm\"}", 400, "invalid_value", "capture.tensors"},
        {"\"capture\":{\"reduce\":\"count\"}", 400, "invalid_value", "capture.tensors"},
        {"\"capture\":{\"reduce\":\"sum\"}", 400, "invalid_value", "capture.reduce"},
        {"\"capture\":{\"reduce\":1}", 400, "invalid_type", "capture.reduce"},
        {"\"capture\":{\"reduce\":\"dot\"}", 400, "invalid_value", "capture.vector"},
        {"\"capture\":{\"reduce\":\"dot\",\"vector\":\"x\"}", 404, "vector_not_found", "capture.vector"},
        {"\"capture\":{\"reduce\":\"dot\",\"vector\":[]}", 400, "invalid_type", "capture.vector"},
        {"\"capture\":{\"vector\":0}", 400, "invalid_value", "capture.vector"},
        {"\"capture\":{\"reduce\":\"norm\",\"vector\":0}", 400, "invalid_value", "capture.vector"},
        {"\"capture\":{\"reduce\":\"dot\",\"vector\":0,\"layers\":[0]}", 400, "unsupported", "capture.layers"},
        {"\"capture\":{\"reduce\":\"top\",\"top\":0}", 400, "invalid_value", "capture.top"},
        {"\"capture\":{\"reduce\":\"top\",\"top\":257}", 400, "invalid_value", "capture.top"},
        {"\"capture\":{\"dtype\":\"i8\"}", 400, "invalid_value", "capture.dtype"},
        {"\"capture\":{\"from\":\"later\"}", 400, "invalid_value", "capture.from"},
        {"\"capture\":{\"from\":null,\"to\":true}", 400, "invalid_type", "capture.to"},
        {"\"capture\":{\"from\":1025}", 400, "invalid_value", "capture.from"},
        {"\"capture\":{\"to\":-1025}", 400, "invalid_value", "capture.to"},
        {"\"capture\":{\"from\":-1000}", 400, "invalid_value", "capture.from"},
        {"\"capture\":{\"from\":5,\"to\":5}", 400, "invalid_value", "capture.from"},
        {"\"capture\":{\"from\":500}", 400, "invalid_value", "capture.from"},
        {"\"capture\":{\"sae\":\"x\"}", 404, "vector_not_found", "capture.sae"},
        {"\"capture\":{\"sae\":0}", 400, "invalid_value", "capture.sae"},
        {"\"capture\":{\"sae\":true}", 400, "invalid_type", "capture.sae"},
        {"\"capture\":{\"reduce\":\"norm\"},\"n\":2", 400, "invalid_value", "n"},
        {"\"capture\":{\"reduce\":\"mean\"},\"stop\":\"e\"", 400, "unsupported", "capture.reduce"},
        {"\"capture\":{},\"max_tokens\":1000", 413, "capture_too_large", "capture"},
    };
    char body[2000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],%s\"stream\":%s,%s}",
                 strstr(cases[i].text, "max_tokens") ? "" : "\"max_tokens\":2,", i & 1 ? "true" : "false",
                 cases[i].text);
        ask("POST", "/v1/chat/completions", body);
        if (cases[i].status == 200)
            check(reply.status == 200 && strstr(reply.body, "\"name\":\"lens_ids.5\""), "%s: %d %s", body, reply.status,
                  reply.body);
        else
            expect("chat", &cases[i]);
    }
}

static void activations_refused(void)
{
    static const struct refused cases[] = {
        {"[]", 400, "invalid_type", NULL},
        {"{}", 400, "missing_field", "capture"},
        {"{\"prompt\":\"Hi\"}", 400, "missing_field", "capture"},
        {"{\"capture\":{}}", 400, "missing_field", "prompt"},
        {"{\"messages\":[],\"capture\":{}}", 400, "invalid_value", "messages"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"prompt\":\"Hi\",\"capture\":{}}", 400,
         "invalid_value", "prompt"},
        {"{\"prompt\":[\"Hi\",\"Ho\"],\"capture\":{}}", 400, "invalid_value", "prompt"},
        {"{\"prompt\":\"Hi\",\"n\":2,\"capture\":{}}", 400, "invalid_value", "n"},
        {"{\"prompt\":\"Hi\",\"stream\":true,\"capture\":{}}", 400, "unsupported", "stream"},
        {"{\"prompt\":\"Hi\",\"format\":\"npy\",\"capture\":{}}", 400, "invalid_value", "format"},
        {"{\"prompt\":\"Hi\",\"format\":1,\"capture\":{}}", 400, "invalid_type", "format"},
        {"{\"prompt\":\"Hi\",\"max_tokens\":-1,\"capture\":{}}", 400, "invalid_value", "max_tokens"},
        {"{\"prompt\":\"Hi\",\"capture\":{\"from\":\"generated\"}}", 400, "invalid_value", "capture.from"},
        {"{\"prompt\":\"Hi\",\"model\":\"x\",\"capture\":{}}", 404, "model_not_found", "model"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask("POST", "/activations", cases[i].text);
        expect("activations", &cases[i]);
    }
    check(ask("GET", "/activations", "") == 405, "GET: %d", reply.status);
}

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

/* A file of recorded rows, taken apart: its header as JSON, its data. */
struct file {
    json_t *header;
    char *data;
    size_t n;
};

static int file_read(struct file *f, const char *bytes, size_t n)
{
    unsigned long long k = 0;
    *f = (struct file){NULL, NULL, 0};
    for (int i = 0; n >= 8 && i < 8; i++)
        k |= (unsigned long long)(unsigned char)bytes[i] << (8 * i);
    if (n < 8 || k > n - 8 || (8 + k) % 64)
        return -1;
    f->header = json_loadb(bytes + 8, (size_t)k, 0, NULL);
    f->n = n - 8 - (size_t)k;
    f->data = malloc(f->n + 1);
    if (f->data)
        memcpy(f->data, bytes + 8 + k, f->n);
    return f->header && f->data ? 0 : -1;
}

static void file_free(struct file *f)
{
    json_decref(f->header);
    free(f->data);
}

static double half(unsigned bits, int is_bf16)
{
    if (is_bf16) {
        unsigned wide = bits << 16;
        float v;
        memcpy(&v, &wide, sizeof v);
        return (double)v;
    }
    int exponent = (int)(bits >> 10 & 31);
    double v = exponent ? (1 + (bits & 1023) / 1024.0) *
                              (exponent < 15 ? 1.0 / (1 << (15 - exponent)) : 1 << (exponent - 15))
                        : (bits & 1023) / 1024.0 / (1 << 14);
    return bits >> 15 ? -v : v;
}

/* Element i of a type; its bytes are counted in *size. */
static double element(const char *data, const char *type, size_t i, size_t *size)
{
    float v;
    int id;
    unsigned short bits;
    *size = strstr(type, "32") ? 4 : 2;
    memcpy(&v, data + i * 4 * (*size == 4), sizeof v);
    memcpy(&id, data + i * 4 * (*size == 4), sizeof id);
    if (*size == 4)
        return strcmp(type, "I32") == 0 ? id : (double)v;
    memcpy(&bits, data + i * 2, sizeof bits);
    return half(bits, *type == 'B');
}

/* What JSON tells is what the file holds: names, types, shapes, each value to the bit. */
static void same_values(const char *what, const json_t *shown, const struct file *f)
{
    const json_t *tensors = json_object_get(shown, "tensors"), *t;
    size_t i, n_bad = 0, n_value = 0;
    check(json_array_size(tensors) + 1 == json_object_size(f->header), "%s: %zu tensors told, %zu in the file", what,
          json_array_size(tensors), json_object_size(f->header) - 1);
    json_array_foreach(tensors, i, t)
    {
        const json_t *at = json_object_get(f->header, json_string_value(json_object_get(t, "name")));
        const char *type = json_string_value(json_object_get(t, "dtype"));
        const json_t *values = json_object_get(t, "values"), *v;
        size_t from = (size_t)json_integer_value(json_array_get(json_object_get(at, "data_offsets"), 0)), k, size = 4;
        size_t to = (size_t)json_integer_value(json_array_get(json_object_get(at, "data_offsets"), 1));
        check(at && json_equal(json_object_get(at, "shape"), json_object_get(t, "shape")) && to <= f->n &&
                  strcmp(type, json_string_value(json_object_get(at, "dtype"))) == 0,
              "%s: tensor %zu: another one in the file", what, i);
        if (!at || to > f->n)
            continue;
        json_array_foreach(values, k, v)
        {
            float read_back = (float)json_number_value(v);
            n_bad += from + (k + 1) * 2 > to || read_back != (float)element(f->data + from, type, k, &size);
        }
        n_value += json_array_size(values);
        n_bad += json_array_size(values) * size != to - from;
    }
    check(n_bad == 0 && n_value > 0, "%s: of %zu values %zu are others than in the file", what, n_value, n_bad);
}

/* The file of a body, which is {fields}. */
static int get_file(struct file *f, const char *fields)
{
    static char body[BODY];
    *f = (struct file){NULL, NULL, 0};
    snprintf(body, sizeof body, "{%s}", fields);
    int status = ask("POST", "/activations", body);
    int bad = status == 200 ? file_read(f, reply.body, reply.n) : -1;
    check(!bad && strstr(reply.raw, "application/octet-stream"), "%s: %d, no file: %.300s", body, status,
          status == 200 ? "" : reply.body);
    return bad;
}

static json_t *get_json(const char *path, const char *fields)
{
    static char body[BODY];
    snprintf(body, sizeof body, "{%s}", fields);
    int status = ask("POST", path, body);
    json_t *all = status == 200 ? json_loadb(reply.body, reply.n, 0, NULL) : NULL;
    check(all && json_object_get(all, "activations"), "%s %s: %d %.300s", path, body, status, reply.body);
    return all;
}

#define CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"Hi there\"}],\"temperature\":0,\"ignore_eos\":true"

/* The file, its JSON, and the chat's. */
static void forms(void)
{
    static const char *const captures[] = {
        "{}",
        "{\"layers\":[[2,4],0],\"dtype\":\"f16\"}",
        "{\"dtype\":\"bf16\",\"tensors\":[\"attn_out\",\"final\"],\"layers\":[5]}",
        "{\"reduce\":\"mean\",\"from\":3}",
        "{\"reduce\":\"last\",\"dtype\":\"f16\",\"from\":-3}",
        "{\"reduce\":\"top\",\"top\":3,\"tensors\":[\"resid_pre\",\"ffn_out\"],\"to\":\"generated\"}",
        "{\"reduce\":\"norm\",\"from\":\"generated\"}",
        "{\"reduce\":\"dot\",\"vector\":\"mean-last-raw\"}",
        "{\"reduce\":\"dot\",\"vector\":0,\"layers\":[3]}",
        "{\"reduce\":\"count\",\"tensors\":[\"router_ids\"]}",
        "{\"tensors\":[\"router_logits\",\"router_ids\",\"router_weights\",\"resid_mid\"],\"layers\":[1]}",
        "{\"tensors\":[\"lens\"],\"from\":-2,\"top\":4}",
    };
    static char fields[BODY];
    for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
        struct file f;
        snprintf(fields, sizeof fields, CHAT ",\"max_tokens\":4,\"capture\":%s", captures[i]);
        if (get_file(&f, fields) == 0) {
            const json_t *about = json_object_get(f.header, "__metadata__");
            const char *along = json_string_value(json_object_get(about, "vector"));
            check(strstr(captures[i], "dot") ? along && strlen(along) == 64 : !along, "%s: the vector is %s",
                  captures[i], along ? along : "not named");
            json_t *chat = get_json("/v1/chat/completions", fields);
            same_values(captures[i], json_object_get(chat, "activations"), &f);
            json_decref(chat);
            snprintf(fields, sizeof fields, CHAT ",\"max_tokens\":4,\"format\":\"json\",\"capture\":%s", captures[i]);
            json_t *own = get_json("/activations", fields);
            same_values(captures[i], json_object_get(own, "activations"), &f);
            json_decref(own);
        }
        file_free(&f);
    }
}

/* The last chunk of a stream has what the whole answer has, once. */
static void streams(void)
{
    static const char *const ends[] = {"", ",\"stream_options\":{\"include_usage\":true}"};
    for (int i = 0; i < 2; i++) {
        static char fields[BODY];
        const char *paths[] = {"/v1/chat/completions", "/v1/completions"};
        const char *prompts[] = {CHAT, "\"prompt\":\"Hi there\",\"temperature\":0,\"ignore_eos\":true"};
        for (int k = 0; k < 2; k++) {
            snprintf(fields, sizeof fields, "%s,\"max_tokens\":4,\"capture\":{\"layers\":[3],\"reduce\":\"norm\"}",
                     prompts[k]);
            json_t *whole = get_json(paths[k], fields);
            char *shown = json_dumps(json_object_get(whole, "activations"), JSON_COMPACT | JSON_REAL_PRECISION(17));
            size_t n = strlen(fields);
            snprintf(fields + n, sizeof fields - n, ",\"stream\":true%s", ends[i]);
            static char body[BODY + 2];
            snprintf(body, sizeof body, "{%s}", fields);
            ask("POST", paths[k], body);
            const char *at = strstr(reply.body, ",\"activations\":");
            char *stop = at ? strchr(at, '\n') : NULL;
            check(at && stop && !strstr(stop, "activations") && strstr(stop, "data: [DONE]") &&
                      !strstr(stop, "\"delta\""),
                  "%s: not in the last chunk: %.300s", body, reply.body);
            json_t *last = at ? json_loadb(at + 15, (size_t)(stop - at) - 16, 0, NULL) : NULL;
            char *streamed = json_dumps(last, JSON_COMPACT | JSON_REAL_PRECISION(17));
            check(shown && streamed && strcmp(shown, streamed) == 0, "%s: %s, whole %s", paths[k], streamed, shown);
            free(shown);
            free(streamed);
            json_decref(last);
            json_decref(whole);
        }
    }
}

/* The tensors of the command's file for the same text. */
static void as_the_command(void)
{
    char line[1000];
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    static char bytes[1 << 20];
    struct file ours, theirs;
    snprintf(
        line, sizeof line,
        "%s activations --ctx 1024 --memory 512M -p 'Hi there' --tensors resid_post,attn_out -o %s >/dev/null 2>&1",
        program, own_file);
    int status = system(line);
    FILE *f = fopen(own_file, "r");
    size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (f)
        fclose(f);
    remove(own_file);
    if (get_file(&ours,
                 "\"prompt\":\"Hi there\",\"steer\":[],\"capture\":{\"tensors\":[\"resid_post\",\"attn_out\"]}") == 0 &&
        file_read(&theirs, bytes, n) == 0) {
        check(ours.n == theirs.n && memcmp(ours.data, theirs.data, ours.n) == 0, "other bytes than the command's");
        file_free(&theirs);
    } else {
        check(0, "%s: status %d", line, status);
    }
    file_free(&ours);
}

/* An answer that a stop string ends, with its sixth token, leaves a file of the rows before that token: what the engine was ahead does not
 * count. */
static void ended_early(void)
{
    struct file f;
    if (get_file(&f,
                 "\"prompt\":\"Hi "
                 "there\",\"steer\":[],\"temperature\":0,\"max_tokens\":200,\"stop\":[\"e\"],\"capture\":{\"layers\":"
                 "[0,5]}") == 0) {
        const json_t *shape = json_object_get(json_object_get(f.header, "resid_post.5"), "shape");
        size_t rows = (size_t)json_integer_value(json_array_get(shape, 0));
        check(rows == 7 && f.n == rows * (4 + 2 * 256 * 4), "%zu rows, %zu bytes", rows, f.n);
    }
    file_free(&f);
    ask("POST", "/activations",
        "{\"prompt\":\"Hi "
        "there\",\"steer\":[],\"temperature\":0,\"max_tokens\":200,\"stop\":[\"e\"],\"capture\":{\"from\":150}}");
    expect("ended before", &(struct refused){"from", 400, "invalid_value", "capture.from"});
}

/* ---- what is given back ---------------------------------------------------------------------------------------------------- */

/* Fields of a request of n tokens of prompt. */
static const char *long_prompt(int n, const char *rest)
{
    static char fields[BODY];
    int k = snprintf(fields, sizeof fields, "\"prompt\":[1067");
    for (int i = 1; i < n; i++)
        k += snprintf(fields + k, sizeof fields - (size_t)k, ",%d", 400 + i);
    snprintf(fields + k, sizeof fields - (size_t)k, "],%s", rest);
    return fields;
}

static void idle(void)
{
    double began = clock_seconds();
    while (open_files() && clock_seconds() - began < PATIENCE)
        usleep(1000);
    check(open_files() == 0 && files() == 0, "%d files are open, %d have names", open_files(), files());
}

/* Clients hang up a while after asking, at many moments. Then one gets all that the disk has. */
static void clients_go(void)
{
    static char body[BODY + 64];
    int n = snprintf(body, sizeof body, "{%s}",
                     long_prompt(900, "\"max_tokens\":50,\"ignore_eos\":true,\"capture\":{}"));
    for (int i = 0; i < 30; i++) {
        struct client c = {server.port, -1};
        if (client_connect(&c) || client_head(&c, "POST", "/activations", (size_t)n) ||
            client_send(&c, body, (size_t)n))
            check(0, "client %d cannot ask", i);
        usleep((useconds_t)(i * 3000));
        check(files() == 0, "a file has a name");
        client_close(&c);
    }
    idle();
    struct file f = {NULL, NULL, 0};
    double began = clock_seconds();
    while (ask("POST", "/activations", body) == 503 && clock_seconds() - began < PATIENCE)
        usleep(10000); /* the last one's request may still be ending */
    check(reply.status == 200 && file_read(&f, reply.body, reply.n) == 0 && f.n == 949 * (4 + 6 * 1024),
          "after clients that went: %d, %zu bytes", reply.status, reply.n);
    file_free(&f);
    idle();
}

static void metrics(void)
{
    unsigned long long n = 0;
    ask("GET", "/metrics", "");
    const char *at = strstr(reply.body, "\nstoker_captured_bytes_total ");
    if (at)
        sscanf(at, " stoker_captured_bytes_total %llu", &n);
    check(n > 949 * 6 * 1024, "stoker_captured_bytes_total %llu", n);
}

/* One connection for two files: the length of the first is right. */
static void kept_connection(void)
{
    static const char body[] = "{\"prompt\":\"Hi there\",\"capture\":{}}";
    struct client c = {server.port, -1};
    for (int i = 0; i < 2; i++) {
        struct file f = {NULL, NULL, 0};
        check(client_ask(&c, "POST", "/activations", body, strlen(body), &reply, NULL, NULL) == 0 && c.fd >= 0 &&
                  file_read(&f, reply.body, reply.n) == 0,
              "file %d of a connection", i);
        file_free(&f);
    }
    client_close(&c);
}

/* What a layer is shown to have can be recorded of it. */
static void taps(void)
{
    static const char *const of_layer[] = {"resid_pre",     "attn_out",   "resid_mid",      "ffn_out", "resid_post",
                                           "router_logits", "router_ids", "router_weights", "lens",    "final"};
    static const size_t n_of_layer = sizeof of_layer / sizeof *of_layer;
    json_t *model = ask("GET", "/stoker/model", "") == 200 ? json_loadb(reply.body, reply.n, 0, NULL) : NULL;
    json_t *layers = json_object_get(model, "layers");
    check(json_array_size(layers) == 6, "%zu layers", json_array_size(layers));
    for (size_t l = 0; l < json_array_size(layers); l++) {
        json_t *shown = json_object_get(json_array_get(layers, l), "taps");
        size_t n = n_of_layer - (l != 5); /* final: of the last */
        check(json_array_size(shown) == n, "layer %zu has %zu taps", l, json_array_size(shown));
        for (size_t i = 0; i < n; i++) {
            const char *name = json_string_value(json_array_get(shown, i));
            check(name && strcmp(name, of_layer[i]) == 0, "tap %zu of layer %zu is %s", i, l, name ? name : "none");
        }
    }
    json_decref(model);
}

enum { EMBER_LAYERS = 6, EMBER_EXPERTS = 16 };

/* How often each expert was used since the start, times sign. */
static void add_uses(int64_t use[EMBER_LAYERS][EMBER_EXPERTS], int sign)
{
    json_t *model = ask("GET", "/stoker/model", "") == 200 ? json_loadb(reply.body, reply.n, 0, NULL) : NULL;
    for (size_t l = 0; l < EMBER_LAYERS; l++) {
        const json_t *layer = json_array_get(json_object_get(model, "layers"), l),
                     *uses = json_object_get(layer, "use");
        check(json_array_size(uses) == EMBER_EXPERTS, "layer %zu has %zu experts", l, json_array_size(uses));
        for (size_t e = 0; e < EMBER_EXPERTS; e++)
            use[l][e] += sign * json_integer_value(json_array_get(uses, e));
    }
    json_decref(model);
}

/* What the uses of all requests grow by is what a request was counted to choose: steered or not, streamed or not, with or without others'
 * known prefixes. */
static void uses(void)
{
    static const char *const steered[] = {
        "", ",\"steer\":[{\"experts\":\"exclude\",\"list\":[[0,4],[2,1],[5,3]]}]",
        ",\"steer\":[{\"experts\":\"bias\",\"list\":[[1,7,2.5]],\"from\":\"generated\"},{\"vector\":0,\"scale\":2}]"};
    for (size_t i = 0; i < 2 * sizeof steered / sizeof *steered; i++) {
        static char body[BODY];
        int64_t use[EMBER_LAYERS][EMBER_EXPERTS] = {{0}}, sum = 0;
        snprintf(body, sizeof body,
                 "{" CHAT ",\"max_tokens\":5,\"stream\":%s,\"capture\":{\"tensors\":[\"router_ids\"],\"reduce\":"
                 "\"count\"}%s}",
                 i % 2 ? "true" : "false", steered[i / 2]);
        add_uses(use, -1);
        check(ask("POST", "/v1/chat/completions", body) == 200, "%s: %d %.300s", body, reply.status, reply.body);
        const char *at = strstr(reply.body, "\"activations\":");
        json_t *shown = at ? json_loads(at + 14, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
        add_uses(use, 1);
        const json_t *tensors = json_object_get(shown, "tensors");
        for (size_t l = 0; l < EMBER_LAYERS; l++) {
            char name[40];
            const json_t *counts = NULL;
            snprintf(name, sizeof name, "router_ids.%zu.count", l);
            for (size_t t = 0; t < json_array_size(tensors); t++) {
                const json_t *tensor = json_array_get(tensors, t);
                if (strcmp(json_string_value(json_object_get(tensor, "name")), name) == 0)
                    counts = json_object_get(tensor, "values");
            }
            check(json_array_size(counts) == EMBER_EXPERTS, "%s: no %s", body, name);
            for (size_t e = 0; e < EMBER_EXPERTS; e++) {
                int64_t n = json_integer_value(json_array_get(counts, e));
                sum += n;
                if (n != use[l][e]) {
                    check(0, "%s: expert %zu of layer %zu: counted %d, used %d", body, e, l, (int)n, (int)use[l][e]);
                    l = EMBER_LAYERS - 1;
                    break;
                }
            }
        }
        check(sum > 0 && use[0][4] * (i / 2 == 1) == 0, "%s: %d uses", body, (int)sum);
        json_decref(shown);
    }
}

/* ---- other servers ---------------------------------------------------------------------------------------------------------- */

static void small_servers(void)
{
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", NULL});
    ask("POST", "/activations", "{\"prompt\":\"Hi\",\"capture\":{}}");
    expect("without a folder", &(struct refused){"", 403, "capture_disabled", "format"});
    json_t *shown = get_json("/activations", "\"prompt\":\"Hi\",\"format\":\"json\",\"capture\":{\"layers\":[1]}");
    json_decref(shown);
    end();
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", "--capture-memory", "0", NULL});
    ask("POST", "/v1/completions", "{\"prompt\":\"Hi\",\"capture\":{}}");
    expect("without memory", &(struct refused){"", 403, "capture_disabled", "capture"});
    end();
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", "--capture-memory", "40000", "--capture-dir",
                                folder, "--capture-disk", "1200000", NULL});
    ask("POST", "/activations",
        "{\"prompt\":\"Hi\",\"capture\":{\"tensors\":[\"resid_post\",\"resid_pre\",\"ffn_out\"]}}");
    expect("a position is too large", &(struct refused){"", 413, "capture_too_large", "capture"});
    ask("POST", "/activations", "{\"prompt\":\"Hi\",\"max_tokens\":500,\"capture\":{\"layers\":[1]}}");
    expect("more than the disk", &(struct refused){"", 413, "capture_too_large", "capture"});
    struct file f;
    get_file(&f, "\"prompt\":\"Hi\",\"capture\":{\"layers\":[1]}");
    file_free(&f);
    idle();
    end();
}

/* Memory for lists and sums that another request has for now. */
static void others_lists(void)
{
    static const char sums[] = "\"capture\":{\"reduce\":\"mean\",\"to\":\"generated\"}";
    static char body[BODY], got[4096];
    struct client c = {server.port, -1};
    start((const char *const[]){"--ctx", "8192", "--memory", "512M", "--parallel", "2", "--capture-memory", "90000",
                                NULL});
    c.port = server.port;
    int n = snprintf(body, sizeof body,
                     "{\"prompt\":\"Hi\",\"ignore_eos\":true,\"max_tokens\":8000,\"stream\":true,%s}", sums);
    check(client_connect(&c) == 0 && client_head(&c, "POST", "/v1/completions", (size_t)n) == 0 &&
              client_send(&c, body, (size_t)n) == 0 && recv(c.fd, got, sizeof got, 0) > 0,
          "a client cannot ask");
    snprintf(body, sizeof body, "{\"prompt\":\"Hi\",\"max_tokens\":1,%s}", sums);
    ask("POST", "/v1/completions", body);
    expect("lists of others", &(struct refused){"", 503, "busy", NULL});
    check(strstr(reply.body, "other requests have all but") != NULL, "%s", reply.body);
    client_close(&c);
    double began = clock_seconds();
    while (ask("POST", "/v1/completions", body) == 503 && clock_seconds() - began < PATIENCE)
        usleep(10000);
    check(reply.status == 200, "behind it: %d %.200s", reply.status, reply.body);
    end();
}

/* No file may have more than 64 KiB, as if the disk were full: the request fails, and the server lives. Then it is killed. */
static void full_disk(void)
{
    struct rlimit old, least;
    static char body[BODY + 64];
    struct file f;
    getrlimit(RLIMIT_FSIZE, &old);
    least = old;
    least.rlim_cur = 64 << 10;
    setrlimit(RLIMIT_FSIZE, &least);
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", "--capture-dir", folder, NULL});
    setrlimit(RLIMIT_FSIZE, &old);
    int n = snprintf(body, sizeof body, "{%s}",
                     long_prompt(900, "\"max_tokens\":50,\"ignore_eos\":true,\"capture\":{}"));
    for (int i = 0; i < 3; i++) {
        ask("POST", "/activations", body);
        expect("a full disk", &(struct refused){"", 500, NULL, NULL});
        check(strstr(reply.body, "File too large") != NULL, "%s", reply.body);
    }
    idle();
    get_file(&f, "\"prompt\":\"Hi\",\"capture\":{}");
    file_free(&f);
    struct client c = {server.port, -1};
    check(client_connect(&c) == 0 && client_head(&c, "POST", "/activations", (size_t)n) == 0 &&
              client_send(&c, body, (size_t)n) == 0,
          "a client cannot ask");
    usleep(5000);
    check(server_end(&server, SIGKILL, PATIENCE) == 128 + SIGKILL, "killed");
    client_close(&c);
    check(files() == 0, "a server that was killed left %d files", files());
}

/* Features of an autoencoder, alone and beside rows: the file has the bytes of the command's. */
static void features(void)
{
    static const char *const captures[] = {"{\"sae\":1}", "{\"sae\":\"steer-llama-tied.sae\",\"top\":20,\"from\":1}",
                                           "{\"sae\":1,\"tensors\":[\"resid_post\"],\"layers\":[1,2]}"};
    char fields[BODY];
    start((const char *const[]){STEERING "steer-llama-tied.gguf", "--ctx", "64", "--memory", "512M", "--capture-dir",
                                folder, "--sae", STEERING "steer-llama-tied.sae", "--control-vector",
                                STEERING "steer-llama-tied.a.gguf", NULL});
    for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
        struct file f;
        snprintf(fields, sizeof fields, "\"prompt\":\"abcdef\",\"steer\":[],\"capture\":%s", captures[i]);
        if (get_file(&f, fields) == 0) {
            const json_t *about = json_object_get(f.header, "__metadata__"),
                         *ids = json_object_get(f.header, "sae_ids.2");
            const char *sae = json_string_value(json_object_get(about, "sae"));
            check(ids && json_object_size(f.header) == (strstr(captures[i], "resid") ? 6 : 4), "%s: %zu entries",
                  captures[i], json_object_size(f.header));
            check(sae && strlen(sae) == 64, "%s: the autoencoder is not named", captures[i]);
            snprintf(fields, sizeof fields, "\"prompt\":\"abcdef\",\"steer\":[],\"format\":\"json\",\"capture\":%s",
                     captures[i]);
            json_t *own = get_json("/activations", fields);
            same_values(captures[i], json_object_get(own, "activations"), &f);
            json_decref(own);
        }
        file_free(&f);
    }
    ask("POST", "/activations", "{\"prompt\":\"abc\",\"capture\":{\"sae\":1,\"reduce\":\"mean\"}}");
    expect("features, reduced", &(struct refused){"", 400, "invalid_value", "capture.reduce"});
    ask("POST", "/activations", "{\"prompt\":\"abc\",\"capture\":{\"sae\":0}}");
    expect("features of a vector", &(struct refused){"", 400, "invalid_value", "capture.sae"});
    ask("POST", "/activations", "{\"prompt\":\"abc\",\"capture\":{\"reduce\":\"dot\",\"vector\":1}}");
    expect("a product with an autoencoder", &(struct refused){"", 400, "invalid_value", "capture.vector"});
    ask("POST", "/activations", "{\"prompt\":\"abc\",\"capture\":{\"vector\":1}}");
    expect("an autoencoder for a vector", &(struct refused){"", 400, "invalid_value", "capture.vector"});
    end();
}

/* What is made of a whole answer is refused where the format of replies may end it; not of the prompt, nor without a template. */
static void of_a_format(void)
{
    static const char *const fields[] = {
        "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"capture\":{%s,\"to\":\"generated\"}",
        "\"prompt\":\"Hi\",\"capture\":{%s}"};
    static const char *const reduces[] = {"\"tensors\":[\"resid_post\"],\"reduce\":\"mean\"",
                                          "\"tensors\":[\"final\"],\"reduce\":\"last\"",
                                          "\"tensors\":[\"router_ids\"],\"reduce\":\"count\""};
    char path[TEMPORARY_PATH], capture[200], body[400];
    if (separator_model(path))
        exit(1);
    start((const char *const[]){path, "--ctx", "256", "--memory", "512M", "--capture-dir", folder, "--tool-format",
                                "gigachat3", NULL});
    for (size_t i = 0; i < sizeof reduces / sizeof *reduces; i++) {
        snprintf(body, sizeof body,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2,\"format\":\"json\","
                 "\"capture\":{%s}}",
                 reduces[i]);
        ask("POST", "/activations", body);
        expect("an answer that its format may end", &(struct refused){body, 400, "unsupported", "capture.reduce"});
        check(strstr(reply.body, "the model's format of replies may cut: send") != NULL, "%s", reply.body);
        for (size_t k = 0; k < sizeof fields / sizeof *fields; k++) {
            snprintf(capture, sizeof capture, fields[k], reduces[i]);
            snprintf(body, sizeof body, "{%s,\"max_tokens\":2,\"format\":\"json\"}", capture);
            check(ask("POST", "/activations", body) == 200, "%s: %d %s", body, reply.status, reply.body);
        }
    }
    end();
    remove(path);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (temporary_folder(folder, "serve-acts"))
        return 1;
    snprintf(log_file, sizeof log_file, "%s.log", folder);
    snprintf(own_file, sizeof own_file, "%s.own.safetensors", folder);
    reply_grow(&reply.body, &reply.cap, 16 << 20); /* it stays where it is: checks ask and print in one go */
    start((const char *const[]){"--ctx", "1024", "--memory", "512M", "--parallel", "4", "--capture-dir", folder,
                                "--capture-disk", "7000000", "--control-vector", EMBER "mean-last-raw.gguf", NULL});
    fields_refused();
    activations_refused();
    forms();
    streams();
    as_the_command();
    ended_early();
    kept_connection();
    clients_go();
    metrics();
    taps();
    uses();
    end();
    features();
    of_a_format();
    small_servers();
    others_lists();
    full_disk();
    reply_free(&reply);
    rmdir(folder);
    remove(log_file);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
