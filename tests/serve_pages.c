/* links: base
 *
 * Pages of the library as a server gives them: each entry of archives by its SHA-256, documents of folders, what was kept where these are
 * gone, the policy they come with, hostile paths, keys and tickets; the sources, a search, an article's text as JSON.
 *
 *     build/tests/serve_pages [FOLDER]   FOLDER: archives and their listings (build/data/library/zim)
 *
 * STOKER names the program (build/stoker). The sources are made by `stoker library add` in a folder of this run. */
#include "base/sha256.h"
#include "check.h"
#include "server_client.h"
#include "temporary.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

enum { PATIENCE = SANITIZED ? 240 : 60, READERS = 24 };

static const char *archives = TEST_DATA "/library/zim";
static char folder[TEMPORARY_PATH], log_file[TEMPORARY_PATH + 64];
static struct server_process server;
static const char *more_headers = ""; /* of requests from now on */

/* ---- a request ------------------------------------------------------------------------------------------------------------- */

/* As it is: no client that puts a path in order. The body is in r->body, the head in r->raw. */
static int ask_into(struct reply *r, const char *method, const char *path, const char *body)
{
    static _Thread_local char head[40000];
    struct client c = {server.port, -1};
    int n = snprintf(head, sizeof head,
                     "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n", method,
                     path, more_headers, strlen(body));
    if (client_connect(&c) || client_send(&c, head, (size_t)n) || client_send(&c, body, strlen(body)) ||
        client_read(&c, r, NULL, NULL))
        r->status = 0;
    client_close(&c);
    return r->status;
}

static struct reply reply;

static int get(const char *path) { return ask_into(&reply, "GET", path, ""); }
static int post(const char *path, const char *body) { return ask_into(&reply, "POST", path, body); }
static int says(const char *text) { return reply.body && strstr(reply.body, text) != NULL; }
static int has_header(const char *text) { return reply.raw && strcasestr(reply.raw, text) != NULL; }

static void start(const char *const *flags)
{
    if (server_start(&server, flags, log_file) || server_ready(&server, PATIENCE)) {
        printf("FAILED: no server; see %s\n", log_file);
        exit(1);
    }
}

static void stop(void)
{
    check(server_end(&server, SIGTERM, PATIENCE) == 0, "the server does not end well; see %s", log_file);
}

/* ---- sources --------------------------------------------------------------------------------------------------------------- */

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char command[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    char path[2 * TEMPORARY_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f))
        exit(1);
}

static int add(const char *path, const char *name)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    return run("'%s' library add '%s' --library '%s/db' --name '%s' >/dev/null 2>&1", program, path, folder, name);
}

static const char page_of_html[] = "<!doctype html><title>Oven</title><h1>Oven</h1><p>Bricks caf\xc3\xa9.</p>"
                                   "<script>top.x=1</script>";

static void make_sources(void)
{
    static const char *const good[] = {"plain", "zstd", "mixed", "xz-old", "loop"};
    char path[2 * TEMPORARY_PATH + 64];
    if (temporary_folder(folder, "serve-pages"))
        exit(1);
    snprintf(log_file, sizeof log_file, "%s.log", folder);
    run("mkdir '%s/docs' '%s/docs/deep' '%s/zim'", folder, folder, folder);
    write_file("secret.txt", "nobody may read this\n");
    write_file("docs/bridge."
               "md",
               "# Stone bridge\n\nA bridge <script>alert(1)</script> & \"arches\".\n\n## Care\n\nWeeds are pulled.\n");
    write_file("docs/oven.html", page_of_html);
    write_file("docs/deep/latin.html", "<title>Latin</title><p>caf\xe9</p>");
    write_file("docs/notes.txt", "Sand.\n\nWater.\n");
    write_file("docs/changed.html", "<title>Old</title><p>What was added.</p>");
    write_file("docs/link.html", "<title>Link</title><p>Not a link yet.</p>");
    write_file("docs/gone.html", "<title>Gone</title><p>Still kept.</p>");
    write_file("single.html", "<title>Single</title><p>One file.</p>");
    snprintf(path, sizeof path, "%s/docs", folder);
    int bad = add(path, "docs");
    snprintf(path, sizeof path, "%s/single.html", folder);
    bad |= add(path, "single");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(path, sizeof path, "%s/%s.zim", archives, good[i]);
        bad |= add(path, good[i]);
    }
    run("cp '%s/plain.zim' '%s/zim/away.zim'; cp '%s/plain.zim' '%s/zim/other.zim'; chmod u+w '%s'/zim/*", archives,
        folder, archives, folder, folder);
    snprintf(path, sizeof path, "%s/zim/away.zim", folder);
    bad |= add(path, "away");
    snprintf(path, sizeof path, "%s/zim/other.zim", folder);
    bad |= add(path, "other");
    if (bad) {
        printf("FAILED: a source cannot be added\n");
        exit(1);
    }
    run("rm '%s/zim/away.zim' '%s/docs/gone.html' '%s/docs/link.html'; cp '%s/zstd.zim' '%s/zim/other.zim'; "
        "ln -s ../secret.txt '%s/docs/link.html'",
        folder, folder, folder, archives, folder, folder);
    write_file("docs/changed.html", "<title>New</title><p>Another text.</p>");
}

/* ---- archives -------------------------------------------------------------------------------------------------------------- */

/* /library/NAME/[NAMESPACE/]PATH with all but letters and digits as escapes. */
static void address(char out[2000], const char *name, const char *namespace, const char *path)
{
    size_t n = (size_t)sprintf(out, "/library/%s/%s", name, namespace);
    for (; *path && n < 1900; path++)
        n += (size_t)sprintf(out + n, isalnum((unsigned char)*path) || *path == '/' ? "%c" : "%%%02X",
                             (unsigned char)*path);
}

static int hash_is(const struct reply *r, const char *hex)
{
    uint8_t digest[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];
    sha256(r->body, r->n, digest);
    for (int i = 0; i < SHA256_BYTES; i++)
        sprintf(text + 2 * i, "%02x", digest[i]);
    return strcmp(text, hex) == 0;
}

static void check_policy(const char *at)
{
    check(has_header("\r\nContent-Security-Policy: sandbox; default-src 'none'; img-src 'self' data:; style-src 'self' "
                     "'unsafe-inline';") &&
              has_header("\r\nX-Content-Type-Options: nosniff\r\n") &&
              has_header("\r\nReferrer-Policy: no-referrer\r\n"),
          "%s: the head is %s", at, reply.raw ? reply.raw : "");
}

static void check_entry(const char *name, int is_old, const json_t *e)
{
    const char *ns = json_string_value(json_object_get(e, "ns")), *path = json_string_value(json_object_get(e, "path")),
               *mime = json_string_value(json_object_get(e, "mime")),
               *sum = json_string_value(json_object_get(e, "sha256"));
    char before[3] = "", at[2000], type[200];
    int is_shown = is_old ? strchr("AIJ-", *ns) != NULL : *ns == 'C';
    snprintf(before, sizeof before, "%s/", ns);
    address(at, name, is_old || *ns != 'C' ? before : "", path);
    int status = get(at);
    check_policy(at);
    if (!is_shown) {
        check(status == 404, "%s: %d, not 404", at, status);
    } else if (sum) {
        check(status == 200 && hash_is(&reply, sum), "%s: %d, or another content", at, status);
        snprintf(type, sizeof type, "\r\nContent-Type: %.*s", (int)strcspn(mime, ";"), mime);
        check(has_header(type), "%s: no %s in %s", at, type + 2, reply.raw);
    } else if (json_is_integer(json_object_get(e, "resolves"))) {
        check(status == 302 && has_header("\r\nLocation: ./"), "%s: %d, not 302", at, status);
    } else {
        check(status == 404, "%s: %d, not 404: %s", at, status, reply.body);
        check(!json_object_get(e, "redirect") || says("more than 8 redirects"), "%s: %s", at, reply.body);
    }
}

static void every_entry_of(const char *name)
{
    char path[1000];
    json_error_t why;
    size_t i;
    json_t *e;
    snprintf(path, sizeof path, "%s/%s.json", archives, name);
    json_t *all = json_load_file(path, 0, &why);
    int is_old = json_integer_value(json_object_get(all, "major")) == 5;
    check(json_array_size(json_object_get(all, "entries")) > 0, "%s: no entries", path);
    json_array_foreach(json_object_get(all, "entries"), i, e) check_entry(name, is_old, e);
    json_decref(all);
}

static void addresses_lead_on(void)
{
    check(get("/library/plain/") == 302 && has_header("\r\nLocation: ./index\r\n"), "a main page: %s", reply.raw);
    check(get("/library/xz-old/") == 302 && has_header("\r\nLocation: ./A/Water_filter\r\n"), "an old main page: %s",
          reply.raw);
    check(get("/library/xz-old/Charcoal") == 302 && has_header("\r\nLocation: ./A/Charcoal\r\n"), "an old article: %s",
          reply.raw);
    check(get("/library/xz-old/A/Filter") == 302 && has_header("\r\nLocation: ./../A/Water_filter\r\n"),
          "a redirect: %s", reply.raw);
    check(get("/library/plain/Purifier") == 302 && has_header("\r\nLocation: ./Water_filter\r\n"), "redirects: %s",
          reply.raw);
    check(ask_into(&reply, "HEAD", "/library/loop/nothing", "") == 0 || reply.status == 404, "HEAD: %d", reply.status);
}

static void hostile_paths_lead_nowhere(void)
{
    static const char *const paths[] = {"/library/plain/../../etc/passwd",
                                        "/library/plain/%2e%2e/%2e%2e/etc/passwd",
                                        "/library/docs/../secret.txt",
                                        "/library/docs/..%2fsecret.txt",
                                        "/library/docs/%2e%2e%2fsecret.txt",
                                        "/library/docs/%252e%252e%252fsecret.txt",
                                        "/library/docs//etc/passwd",
                                        "/library/docs/deep/../oven.html",
                                        "/library/docs/./oven.html",
                                        "/library/docs/",
                                        "/library/docs",
                                        "/library/docs/deep",
                                        "/library/single/../single.html",
                                        "/library/../library/docs/oven.html",
                                        "/library/plain/%00",
                                        "/library/plain/Charcoal%00",
                                        "/library/plain/Charcoal%00.html",
                                        "/library/plain/%",
                                        "/library/plain/%4",
                                        "/library/plain/%zz",
                                        "/library/%2e%2e/plain/Charcoal",
                                        "/library/none/Charcoal",
                                        "/library/~",
                                        "/library/~/",
                                        "/library/plain/M/Title",
                                        "/library/plain/W/mainPage",
                                        "/library/plain/X/fulltext",
                                        "/library/xz-old/M/Title",
                                        "/library/docs/%27%20OR%201=1--"};
    static char longest[8000];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        check(get(paths[i]) == 404, "%s: %d", paths[i], reply.status);
        check(!says("nobody may read") && !says("root:"), "%s tells a secret", paths[i]);
        check_policy(paths[i]);
    }
    snprintf(longest, sizeof longest, "/library/plain/");
    memset(longest + strlen(longest), 'x', 7000);
    check(get(longest) == 404 || reply.status == 414, "a long path: %d", reply.status);
}

/* ---- files ----------------------------------------------------------------------------------------------------------------- */

/* A page in a frame without rights has the origin "null": it gets what it shows, and no other origin does. */
static void origins(void)
{
    more_headers = "Origin: null\r\n";
    check(get("/library/plain/logo.png") == 200 && !has_header("access-control"), "an image of a frame: %d",
          reply.status);
    check(get("/v1/library/sources") == 403 && post("/v1/library/ticket", "") == 403 && get("/props") == 403,
          "other routes: %d", reply.status);
    more_headers = "Origin: http://example.com\r\n";
    check(get("/library/plain/logo.png") == 403, "another site: %d", reply.status);
    more_headers = "";
}

static void documents_of_folders(void)
{
    check(get("/library/docs/oven.html") == 200 && reply.n == sizeof page_of_html - 1 &&
              memcmp(reply.body, page_of_html, reply.n) == 0 &&
              has_header("\r\nContent-Type: text/html; charset=utf-8\r\n"),
          "a page: %d %s", reply.status, reply.body);
    check_policy("a page");
    check(get("/library/docs/deep/latin.html") == 200 && says("caf\xe9") &&
              has_header("\r\nContent-Type: text/html\r\n"),
          "another encoding: %s", reply.raw);
    check(get("/library/docs/notes.txt") == 200 && strcmp(reply.body, "Sand.\n\nWater.\n") == 0 &&
              has_header("\r\nContent-Type: text/plain; charset=utf-8\r\n"),
          "a text: %d %s", reply.status, reply.body);
    check(get("/library/single/single.html") == 200 && says("One file."), "one file: %d", reply.status);
    check(get("/library/docs/bridge."
              "md") == 200 &&
              has_header("\r\nContent-Type: text/html; charset=utf-8\r\n") &&
              says("<section id=\"care\"><h2>Care</h2>\n<p>Weeds are pulled.</p>") && !says("<script>") &&
              says("&amp;"),
          "Markdown: %d %s", reply.status, reply.body);
    check(get("/library/docs/changed.html") == 200 && says("What was added.") && !says("Another"), "changed: %s",
          reply.body);
    check(get("/library/docs/link.html") == 200 && says("Not a link yet.") && !says("nobody may"), "a link: %s",
          reply.body);
    check(get("/library/docs/gone.html") == 200 && says("Still kept."), "gone: %s", reply.body);
}

static void what_was_kept_of_archives(void)
{
    check(get("/library/away/Charcoal") == 200 && says("<h1>") && says("that was kept of the page") && says("away.zim"),
          "an archive that is away: %d %s", reply.status, reply.body);
    check_policy("an archive that is away");
    check(get("/library/away/logo.png") == 404 && says("away.zim"), "its images: %d %s", reply.status, reply.body);
    check(get("/library/away/none") == 404, "no page of it: %d", reply.status);
    check(get("/library/other/Charcoal") == 200 && says("another archive than the one that was added"),
          "an archive that is another: %d %s", reply.status, reply.body);
    check(get("/library/plain/Charcoal") == 200 && !says("that was kept"), "one that is there: %s", reply.body);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------ */

static void refused(const char *body, const char *param, const char *words)
{
    json_t *o;
    int status = post("/v1/library/search", body);
    const char *is = json_string_value(
        json_object_get(json_object_get(o = json_loads(reply.body, 0, NULL), "error"), "param"));
    check(status == 400 && says(words) && ((!is && !param) || (is && param && strcmp(is, param) == 0)), "%s: %d %s",
          body, status, reply.body);
    json_decref(o);
}

static void sources_and_searches(void)
{
    char id[300], path[400];
    check(get("/v1/library/sources") == 200, "sources: %d", reply.status);
    json_t *o = json_loads(reply.body, 0, NULL);
    const json_t *list = json_object_get(o, "sources"), *one = json_array_get(list, 1);
    const char *name = json_string_value(json_object_get(one, "name"));
    check(json_array_size(list) == 9 && name && strcmp(name, "docs") == 0 && !says(folder), "sources: %s", reply.body);
    json_decref(o);
    check(post("/v1/library/search", "{\"query\":\"weeds pulled\",\"sources\":[\"docs\",\"docs\"],\"limit\":3}") == 200,
          "a search: %s", reply.body);
    o = json_loads(reply.body, 0, NULL);
    const json_t *hit = json_array_get(json_object_get(o, "results"), 0);
    const char *url = json_string_value(json_object_get(hit, "url"));
    check(url &&
              strcmp(url, "/library/docs/bridge."
                          "md#care") == 0 &&
              json_is_integer(json_object_get(o, "dropped")) && json_is_number(json_object_get(o, "ms")),
          "a result: %s", reply.body);
    snprintf(id, sizeof id, "%s", hit ? json_string_value(json_object_get(hit, "id")) : "");
    json_decref(o);
    snprintf(path, sizeof path, "/v1/library/article/%s", id);
    check(get(path) == 200 && says("\"anchor\":\"care\",\"text\":\"Weeds are pulled.\"") && says("\"next\":null") &&
              says("\"heading\":[\"Stone bridge\",\"Care\"]") && !says("arches"),
          "an article from a section on: %d %s", reply.status, reply.body);
    check(get("/v1/library/article/docs:1:99999") == 404 && get("/v1/library/article/none:1:1") == 404 &&
              get("/v1/library/article/docs:1") == 404 && get("/v1/library/article/docs:1:1x") == 404 &&
              get("/v1/library/article/%00") == 404,
          "passages that are none: %d", reply.status);
    check(post("/v1/library/search", "{\"query\":\"\\\" NEAR * (\"}") == 200 && says("\"results\":[]"), "operators: %s",
          reply.body);
    refused("{}", "query", "query");
    refused("{\"query\":1}", "query", "string");
    refused("{\"query\":\"a\",\"limit\":0}", "limit", "1 to 100");
    refused("{\"query\":\"a\",\"sources\":[]}", "sources", "1 to 64");
    refused("{\"query\":\"a\",\"sources\":[\"docs\",\"none\"]}", "sources[1]", "names no source");
    refused("{\"query\":\"a\",\"mode\":\"vector\"}", "mode", "no vectors");
    refused("{\"query\":\"a\",\"mode\":\"x\"}", "mode", "hybrid");
    check(get("/props") == 200 && says("\"library\":true"), "/props: %s", reply.body);
}

/* ---- many at once ---------------------------------------------------------------------------------------------------------- */

static void *one_reader(void *arg)
{
    static const char *const paths[] = {"/library/plain/Charcoal", "/library/mixed/xz/3", "/library/xz-old/A/Charcoal",
                                        "/library/docs/oven.html"};
    struct reply r = {0};
    size_t n = 0;
    for (int i = 0; i < 12; i++) {
        size_t at = ((size_t)(intptr_t)arg + (size_t)i) % 4;
        check(ask_into(&r, "GET", paths[at], "") == 200 && r.n > 50, "%s beside others: %d", paths[at], r.status);
        n += r.n;
    }
    reply_free(&r);
    return n ? arg : NULL;
}

static void many_read_at_once(void)
{
    pthread_t thread[READERS];
    for (int i = 0; i < READERS; i++)
        if (pthread_create(&thread[i], NULL, one_reader, (void *)(intptr_t)i))
            exit(1);
    for (int i = 0; i < READERS; i++)
        pthread_join(thread[i], NULL);
}

/* ---- archives that are damaged --------------------------------------------------------------------------------------------- */

/* Whatever the page says, the server lives, in its memory. */
static void damaged_archives(void)
{
    static const char *const paths[] = {"",         "a",     "b",        "good",    "index",
                                        "Charcoal", "zeros", "note/001", "zstd/05", "big"};
    char path[2000], names[40][64];
    size_t n_name = 0;
    snprintf(path, sizeof path, "%s/bad", archives);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strlen(e->d_name) > 4 && strlen(e->d_name) < 60 && strcmp(e->d_name + strlen(e->d_name) - 4, ".zim") == 0 &&
            n_name < 40) {
            snprintf(names[n_name], sizeof *names, "%.*s", (int)strlen(e->d_name) - 4, e->d_name);
            snprintf(path, sizeof path, "%s/bad/%s", archives, e->d_name);
            n_name += add(path, names[n_name]) == 0;
        }
    if (d)
        closedir(d);
    check(n_name > 5, "%zu damaged archives can be added", n_name);
    snprintf(path, sizeof path, "%s/db/", folder);
    start((const char *const[]){"--memory", "640M", "--ctx", "2048", "--parallel", "1", "--library", path, NULL});
    for (size_t i = 0; i < n_name; i++)
        for (size_t k = 0; k < sizeof paths / sizeof *paths; k++) {
            snprintf(path, sizeof path, "/library/%s/%s", names[i], paths[k]);
            int status = get(path);
            check(status == 200 || status == 302 || status == 404, "%s: %d %s", path, status,
                  reply.body ? reply.body : "");
        }
    uint64_t most = server_memory(&server, "VmHWM:");
    check(SANITIZED || most < UINT64_C(400) << 20, "%llu MiB were taken", (unsigned long long)(most >> 20));
    stop();
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------ */

static void ticket(char out[80])
{
    out[0] = 0;
    more_headers = "Authorization: Bearer key-of-mine\r\n";
    check(post("/v1/library/ticket", "") == 200 && says("\"expires_in\":43200"), "a ticket: %d %s", reply.status,
          reply.body);
    json_t *o = json_loads(reply.body, 0, NULL);
    const char *t = json_string_value(json_object_get(o, "ticket"));
    check(t && strlen(t) == 32 && strspn(t, "0123456789abcdef") == 32, "a ticket: %s", t ? t : "none");
    snprintf(out, 80, "%s", t ? t : "");
    json_decref(o);
    more_headers = "";
}

static int with(const char *ticket_text, const char *rest)
{
    char path[400];
    snprintf(path, sizeof path, "/library/~%s/%s", ticket_text, rest);
    return get(path);
}

static void keys_and_tickets(void)
{
    char first[80], last[80], path[200];
    snprintf(path, sizeof path, "%s/keys", folder);
    write_file("keys", "key-of-mine\n");
    char db[200];
    snprintf(db, sizeof db, "%s/db/", folder);
    start((const char *const[]){"--memory", "640M", "--ctx", "2048", "--parallel", "1", "--api-key-file", path,
                                "--library", db, NULL});
    check(get("/library/plain/Charcoal") == 401, "without a key: %d", reply.status);
    check_policy("without a key");
    check(get("/library/none/none") == 401 && get("/v1/library/sources") == 401 &&
              post("/v1/library/ticket", "") == 401 && post("/v1/library/search", "{\"query\":\"a\"}") == 401,
          "without a key: %d", reply.status);
    more_headers = "x-api-key: key-of-mine\r\n";
    check(get("/library/plain/Charcoal") == 200, "with the key: %d", reply.status);
    ticket(first);
    check(with(first, "plain/Charcoal") == 200, "with a ticket: %d", reply.status);
    check(with(first, "xz-old/Charcoal") == 302 && has_header("\r\nLocation: ./A/Charcoal\r\n"), "led on: %s",
          reply.raw);
    check(with("", "plain/Charcoal") == 401 && with("00000000000000000000000000000000", "plain/Charcoal") == 401,
          "tickets that are none: %d", reply.status);
    first[31] ^= 1;
    check(with(first, "plain/Charcoal") == 401, "another ticket: %d", reply.status);
    first[31] ^= 1;
    snprintf(path, sizeof path, "/v1/library/~%s/sources", first);
    check(get(path) == 401, "a ticket lets nobody have anything else: %d", reply.status);
    for (int i = 0; i < 63; i++)
        ticket(last);
    check(with(first, "plain/Charcoal") == 200 && with(last, "plain/Charcoal") == 200, "the oldest of 64: %d",
          reply.status);
    ticket(last);
    check(with(first, "plain/Charcoal") == 401 && with(last, "plain/Charcoal") == 200, "the oldest of 65: %d",
          reply.status);
    stop();
}

static void without_a_library(void)
{
    start((const char *const[]){"--memory", "min", "--ctx", "1024", "--parallel", "1", NULL});
    check(get("/library/plain/Charcoal") == 404 && says("--library"), "pages: %d %s", reply.status, reply.body);
    check(get("/v1/library/sources") == 400 && says("--library"), "sources: %d %s", reply.status, reply.body);
    check(post("/v1/library/search", "{\"query\":\"a\"}") == 400 && says("--library"), "a search: %d", reply.status);
    check(get("/props") == 200 && says("\"library\":false"), "/props: %s", reply.body);
    stop();
}

int main(int argc, char **argv)
{
    char db[200];
    if (argc > 1)
        archives = argv[1];
    make_sources();
    snprintf(db, sizeof db, "%s/db/", folder);
    start((const char *const[]){"--memory", "640M", "--ctx", "2048", "--parallel", "1", "--library", db, NULL});
    every_entry_of("plain");
    every_entry_of("zstd");
    every_entry_of("mixed");
    every_entry_of("xz-old");
    every_entry_of("loop");
    addresses_lead_on();
    hostile_paths_lead_nowhere();
    origins();
    documents_of_folders();
    what_was_kept_of_archives();
    sources_and_searches();
    many_read_at_once();
    stop();
    keys_and_tickets();
    damaged_archives();
    without_a_library();
    reply_free(&reply);
    run("rm -rf '%s' '%s'", folder, log_file);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
