/* links: bridge mcp base
 *
 * The process `stoker` connects to nobody, whatever the flags (library.md 16): whole scenarios under a filter of system calls
 * (socket_filter.h), which is there before the program begins and kills it at the first socket that it may not have. What the filter
 * catches is planted first. Servers of MCP run under it too: they need no network. Where servers have a url, stoker runs under another one
 * (socket_asked.h): its bridge connects to the configured address, and to no other.
 *
 *     build/tests/socket_audit
 *     AUDITED=build/stoker build/tests/socket_audit COMMAND ARGUMENT...      stoker with these, under the filter; ASKED_PORT and ASKED_LOG
 *                                                                            say the port that the bridge may connect to, and the log
 *
 * STOKER names the program (build/stoker), BUILD (build) where the models of tests/data are. The second form is what the scenarios run
 * in its place. */
#include "base/error.h"
#include "bridge/libcurl.h"
#include "chat_server.h"
#include "mcp_fake.h"
#include "socket_asked.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { CAUGHT = 128 + SIGSYS };

static int skipped;
static char folder[TEMPORARY_PATH], library[TEMPORARY_PATH + 16], config[TEMPORARY_PATH + 16], self[TEMPORARY_PATH];
static char embeds[PATH_MAX + 40], ranks[PATH_MAX + 40]; /* models of vectors and of pairs */

/* ---- under the filter ------------------------------------------------------------------------------------------------------ */

static int is_server(int argc, char **argv)
{
    int is = argc > 1 && strcmp(argv[1], "serve") == 0;
    for (int i = 2; i < argc; i++)
        is |= strcmp(argv[1], "mcp") == 0 && strcmp(argv[i], "--http") == 0;
    return is;
}

static int audit(const char *program, int argc, char **argv)
{
    if (getenv("ASKED_PORT"))
        return asked_run(program, argv, atoi(getenv("ASKED_PORT")), is_server(argc, argv), getenv("ASKED_LOG"));
    if (sockets_forbid(is_server(argc, argv) ? SOCKETS_LISTEN : SOCKETS_NONE))
        return 126;
    execv(program, argv);
    return 127;
}

/* ---- what is planted ------------------------------------------------------------------------------------------------------- */

static const struct sockaddr_in somewhere = {.sin_family = AF_INET, .sin_port = 0x901f};

static void open_tcp(void) { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static void open_tcp6(void) { socket(AF_INET6, SOCK_STREAM, 0); }
static void open_udp(void) { socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0); }
static void open_netlink(void) { socket(AF_NETLINK, SOCK_RAW, 0); }
static void connect_tcp(void)
{
    connect(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&somewhere, sizeof somewhere);
}
static void connect_unix(void)
{
    const struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/run/nobody"};
    connect(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&at, sizeof at);
}
static void send_to(void)
{
    sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN, (const struct sockaddr *)&somewhere,
           sizeof somewhere);
}
static void send_message(void)
{
    struct msghdr m = {.msg_name = (void *)&somewhere, .msg_namelen = sizeof somewhere};
    sendmsg(socket(AF_INET, SOCK_STREAM, 0), &m, MSG_FASTOPEN);
}
static void send_local(void)
{
    int pair[2];
    struct msghdr m = {.msg_iovlen = 0};
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0)
        sendmsg(pair[0], &m, 0);
}
static void connect_in_a_program(void)
{
    execl("/proc/self/exe", "socket_audit", "connect", (char *)NULL);
    _exit(1);
}

/* What is not caught, and is none of it. */
static void open_pair(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || send(pair[0], "x", 1, 0) != 1)
        _exit(1);
}
static void open_unix(void)
{
    if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
        _exit(1);
}
static void send_to_nobody(void) /* it is connected to nothing */
{
    struct iovec x = {"x", 1};
    struct msghdr m = {.msg_iov = &x, .msg_iovlen = 1};
    if (sendmsg(socket(AF_INET, SOCK_STREAM, 0), &m, MSG_NOSIGNAL) != -1)
        _exit(1);
}
static void listen_tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || listen(fd, 1))
        _exit(1);
}
static void set_up_io_uring(void)
{
    if (syscall(__NR_io_uring_setup, 1, NULL) != -1 || errno != ENOSYS)
        _exit(1);
}

static int status_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

/* How a process ends that does so under the filter; 126: there is no filter here. */
static int end_of(enum sockets which, void (*act)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (sockets_forbid(which))
            _exit(126);
        act();
        _exit(0);
    }
    return pid < 0 || waitpid(pid, &status, 0) != pid ? -1 : status_of(status);
}

static void the_filter_catches(void)
{
    static const struct {
        const char *what;
        enum sockets which;
        void (*act)(void);
        int status;
    } plants[] = {
        {"a TCP socket", SOCKETS_NONE, open_tcp, CAUGHT},
        {"one of IPv6", SOCKETS_NONE, open_tcp6, CAUGHT},
        {"a UDP socket", SOCKETS_NONE, open_udp, CAUGHT},
        {"a netlink socket", SOCKETS_NONE, open_netlink, CAUGHT},
        {"connect() of AF_UNIX", SOCKETS_NONE, connect_unix, CAUGHT},
        {"connect() in a program that is started", SOCKETS_NONE, connect_in_a_program, CAUGHT},
        {"a message", SOCKETS_NONE, send_local, CAUGHT},
        {"a server's socket of AF_UNIX", SOCKETS_LISTEN, open_unix, CAUGHT},
        {"a server's UDP socket", SOCKETS_LISTEN, open_udp, CAUGHT},
        {"a server's netlink socket", SOCKETS_LISTEN, open_netlink, CAUGHT},
        {"a server's connect()", SOCKETS_LISTEN, connect_tcp, CAUGHT},
        {"a server's sendto()", SOCKETS_LISTEN, send_to, CAUGHT},
        {"a server's sendmsg()", SOCKETS_LISTEN, send_message, CAUGHT},
        {"a server's program that connects", SOCKETS_LISTEN, connect_in_a_program, CAUGHT},
        {"socketpair()", SOCKETS_NONE, open_pair, 0},
        {"a socket of AF_UNIX", SOCKETS_NONE, open_unix, 0},
        {"a server that listens", SOCKETS_LISTEN, listen_tcp, 0},
        {"a server's answer", SOCKETS_LISTEN, send_to_nobody, 0},
        {"io_uring", SOCKETS_LISTEN, set_up_io_uring, 0},
    };
    for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
        int status = end_of(plants[i].which, plants[i].act);
        check(status == plants[i].status, "%s: ended with %d, not %d", plants[i].what, status, plants[i].status);
    }
}

/* ---- what is planted where servers have a url ------------------------------------------------------------------------------ */

enum { CONFIGURED = 9 }; /* a port at which nobody listens */

/* What this program does when it is started as "WHO connect-to ADDRESS:PORT", or as the bridge, of which PLANTED says where to. */
static int connect_to(const char *where)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    char address[40];
    int port;
    if (sscanf(where, "%39[^:]:%d", address, &port) != 2 || inet_pton(AF_INET, address, &at.sin_addr) != 1)
        return 2;
    at.sin_port = htons((uint16_t)port);
    connect(socket(AF_INET, SOCK_STREAM, 0), (const struct sockaddr *)&at, sizeof at);
    return 0;
}

static void who_asks_is_caught(void)
{
    static const struct {
        const char *what, *first, *where;
        int status;
    } plants[] = {
        {"the bridge to the configured address", "--mcp-http", "127.0.0.1:9", 0},
        {"the bridge to another port", "--mcp-http", "127.0.0.1:10", CAUGHT},
        {"the bridge to another address", "--mcp-http", "127.0.0.2:9", CAUGHT},
        {"another process to the configured address", "--plant", "127.0.0.1:9", CAUGHT},
    };
    char log[2 * TEMPORARY_PATH];
    snprintf(log, sizeof log, "%s/plants", folder);
    for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
        char *argv[] = {"stoker", (char *)plants[i].first, NULL};
        setenv("PLANTED", plants[i].where, 1);
        fflush(stdout);
        int status = asked_run(self, argv, CONFIGURED, 0, log);
        check(status == plants[i].status, "%s: ended with %d, not %d", plants[i].what, status, plants[i].status);
    }
    unsetenv("PLANTED");
}

/* ---- commands -------------------------------------------------------------------------------------------------------------- */

/* A command of the shell, where $s is stoker under the filter, $d the folder, $l the library, $e a model of vectors, $r one of pairs, $z an
 * archive. What it prints goes to the log; 0: it has said these words. */
static int said(const char *command, const char *words)
{
    static char text[1 << 16];
    char line[1000];
    snprintf(line, sizeof line, "cd '%s' && { %s; } >out 2>&1; echo \"status $?\" >>out; cat out >>log", folder,
             command);
    if (system(line) != 0)
        return -1;
    snprintf(line, sizeof line, "%s/out", folder);
    FILE *f = fopen(line, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    int fits = strstr(text, words) && strstr(text, "status 0\n");
    if (!fits)
        printf("%s", text);
    return fits ? 0 : -1;
}

static void says(const char *command, const char *words)
{
    check(said(command, words) == 0, "%s: it does not say \"%s\", or failed", command, words);
}

static void write_file(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void write_file(const char *name, const char *format, ...)
{
    char path[2 * TEMPORARY_PATH];
    va_list args;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    va_start(args, format);
    if (!f || vfprintf(f, format, args) < 0 || fclose(f))
        exit(1);
    va_end(args);
}

/* Into out, the path of a file of the data that tests read. */
static void find_data(char out[PATH_MAX + 40], const char *name)
{
    const char *build = getenv("BUILD") ? getenv("BUILD") : "build";
    char path[PATH_MAX], *real = realpath(build, path);
    snprintf(out, PATH_MAX + 40, "%s/data/%s", real ? real : build, name);
}

/* What commands get beside the folder: models, an archive, and a program that stands for pdftotext. */
static void make_documents(void)
{
    char archive[PATH_MAX + 40], path[2 * PATH_MAX];
    find_data(embeds, "embeddings/bert-mean.gguf");
    find_data(ranks, "embeddings/bert-rank.gguf");
    find_data(archive, "library/zim/zstd.zim");
    setenv("e", embeds, 1);
    setenv("r", ranks, 1);
    setenv("z", archive, 1);
    write_file("bridge.txt", "Stone bridge\n\nA stone bridge stands on arches. Its bedge is broad.\n");
    write_file("page.html",
               "<html><head><title>Rope</title><link rel=stylesheet href=http://127.0.0.1:9/a.css></head><body>"
               "<img src=http://127.0.0.1:9/a.png><p>A rope of hemp.</p></body></html>");
    write_file("stove.pdf", "Stoves burn wood.\n\f");
    write_file("pdftotext", "#!/bin/sh\nexec cat /proc/self/fd/0\n");
    snprintf(path, sizeof path, "%s/pdftotext", folder);
    chmod(path, 0700);
    snprintf(path, sizeof path, "%s:%s", folder, getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    setenv("PATH", path, 1);
}

static void make_files(void)
{
    const char *program = getenv("STOKER") ? getenv("STOKER") : "build/stoker";
    char *real = realpath(program, NULL);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || (size_t)n == sizeof self - 1 || !real || temporary_folder(folder, "audit")) {
        printf("FAILED: %s is not there, or the path of this test is too long\n", program);
        exit(1);
    }
    snprintf(library, sizeof library, "%s/db/", folder);
    snprintf(config, sizeof config, "%s/servers", folder);
    snprintf(log_file, sizeof log_file, "%s/log", folder);
    setenv("AUDITED", real, 1);
    setenv("STOKER", self, 1); /* of server_start_as() too */
    setenv("s", self, 1);
    setenv("d", folder, 1);
    setenv("l", library, 1);
    free(real);
    make_documents();
    char *weather = realpath("tests/cli/mcp_server", NULL);
    write_file("weather",
               "{\"mcpServers\":{\"plain\":{\"command\":\"sh\",\"args\":[\"%s\",\"plain\",\"%s\"],\"allow\":[\"get_"
               "weather\"]}}}",
               weather ? weather : "", folder);
    free(weather);
    write_file("servers",
               "{\"mcpServers\":{\"w\":{\"command\":\"%s\",\"args\":[\"fake\",\"0\"],\"allow\":[\"echo\",\"add\"]},"
               "\"many\":{\"command\":\"%s\",\"args\":[\"fake\",\"200\"],\"defer\":true}}}",
               self, self);
    write_file("planted", "{\"mcpServers\":{\"p\":{\"command\":\"%s\",\"args\":[\"planted\"]}}}", self);
}

#define V "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{}"
#define CALL(name, arguments)                                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"" name                             \
    "\",\"arguments\":" arguments ",\"_meta\":{" V "}}}"

#define OLD_CALL(name, arguments)                                                                                      \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"" name                             \
    "\",\"arguments\":" arguments "}}"

static void commands(void)
{
    says("\"$s\" library add \"$d/bridge.txt\" \"$d/page.html\" --library \"$l\"", "bridge");
    says("\"$s\" library search arches --library \"$l\"", "arches");
    says("\"$s\" library open bridge:1:1 --library \"$l\"", "arches");
    says("\"$s\" library list --library \"$l\"", "bridge");
    says("\"$s\" library check --library \"$l\"", "bridge");
    says("\"$s\" library remove page --library \"$l\"", "");
    says("echo arches | \"$s\" embed \"$e\"", "0.");
    says("echo arches | \"$s\" embed \"$r\" --query bridge", ".");
    says("\"$s\" run --memory 700M --temp 0 -p 'Find bridge' --library \"$l\"", "call: search_library");
    says("\"$s\" run --memory 700M --temp 0 -p 'What is the weather in Bergen?' --mcp weather",
         "call: plain__get_weather");
    says("printf '%s\\n' '" CALL("search_library", "{\"query\":\"arches\"}") "' | \"$s\" mcp --library \"$l\"",
         "stands on arches");
    says("printf '%s\\n' '" CALL("w__echo", "{\"text\":\"sun\"}") "' | \"$s\" mcp --mcp servers", "sun");
    says("printf '%s\\n' '" CALL("p__leave", "{}") "' | \"$s\" mcp --mcp planted", "was ended by signal 31");
}

#define RANKED " --library \"$l\" --embed \"$e\" --rerank \"$r\""

/* What commands do with vectors and pairs. An archive and a PDF are added on the way; no passage has a word of "?". */
static void commands_of_vectors(void)
{
    says("\"$s\" library add \"$z\" --library \"$l\" --embed \"$e\"", "stoker_test: vectors of 50 of 50 passages by");
    says("\"$s\" library add \"$d/stove.pdf\" --library \"$l\" --embed \"$e\"", "stove: vectors of 1 of 1 passages by");
    says("\"$s\" library add \"$d/bridge.txt\" --library \"$l\" --embed \"$e\"",
         "bridge: vectors of 1 of 1 passages by");
    says("\"$s\" library check --library \"$l\"", "stove  whole");
    says("\"$s\" library open stoker_test/Water_filter --library \"$l\"", "charcoal");
    says("\"$s\" library search '?' --library \"$l\" --embed \"$e\"", "0.0164");
    says("\"$s\" library search '?'" RANKED, "\n10. ");
    says("\"$s\" run --memory 900M --temp 0 -p 'Find bridge'" RANKED, "call: search_library");
    says("printf '%s\\n' '" CALL("search_library", "{\"query\":\"?\"}") "' | \"$s\" mcp" RANKED, "\"text\":\"[1] ");
}

/* ---- servers --------------------------------------------------------------------------------------------------------------- */

#define NEAREST "{\"query\":\"?\",\"mode\":\"vector\"}"

static void asks(const char *path, const char *body, const char *words)
{
    int status = ask_into(&reply, path, body);
    check(status == 200 && strstr(reply.body, words), "%s %s: %d %s", path, body ? body : "", status, reply.body);
}

static void ends(const char *what)
{
    int status = server_end(&server, SIGTERM, PATIENCE);
    check(status == 0, "%s ended with %d; see its log", what, status);
}

static void a_server(void)
{
    start_server((const char *const[]){"--memory", "900M", "--ctx", "4096", "--parallel", "2", "--library", library,
                                       "--embed", embeds, "--rerank", ranks, "--mcp", config, NULL});
    asks("/v1/chat/completions", "{" FIND ",\"library\":{\"rounds\":2},\"stream\":true" SAYS("Yes.") "}",
         "library_event");
    asks("/v1/chat/completions", "{" FIND ",\"mcp\":{\"rounds\":2},\"stream\":true" CALLS("w__echo") SAYS("Yes.") "}",
         "mcp_event");
    asks("/v1/responses", "{\"input\":\"Hi\",\"max_output_tokens\":4}", "output");
    asks("/v1/messages", "{\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", "content");
    asks("/api/generate", "{\"prompt\":\"Hi\",\"options\":{\"num_predict\":4}}", "response");
    asks("/v1/library/search", NEAREST, "\"rank\":10,");
    asks("/library/stoker_test/Water_filter", NULL, "charcoal");
    asks("/mcp", OLD_CALL("search_library", "{\"query\":\"arches\"}"), "\"text\":\"[1] ");
    asks("/metrics", NULL, "mcp_calls_total");
    asks("/", NULL, "<html");
    ends("serve");
}

static void without_a_model(void)
{
    const char *const flags[] = {"--library", library, "--embed", embeds, "--rerank", ranks, "--mcp", config, NULL};
    if (server_start_as(&server, "mcp", "--http", flags, log_file) || server_ready(&server, PATIENCE)) {
        check(0, "no server; see %s", log_file);
        return;
    }
    asks("/mcp", OLD_CALL("w__echo", "{\"text\":\"sun\"}"), "sun");
    asks("/v1/library/search", NEAREST, "\"rank\":10,");
    ends("mcp --http");
}

/* ---- servers of MCP with a url ---------------------------------------------------------------------------------------------- */

static void only_the_bridge_has_connected(const char *log, int port)
{
    char line[200], want[200];
    int n = 0, n_other = 0;
    FILE *f = fopen(log, "r");
    snprintf(want, sizeof want, "the bridge connects to 127.0.0.1:%d\n", port);
    while (f && fgets(line, sizeof line, f)) {
        int is_it = strcmp(line, want) == 0;
        n += is_it;
        n_other += !is_it;
        if (!is_it)
            printf("%s", line);
    }
    if (f)
        fclose(f);
    check(n >= 3 && n_other == 0, "of servers with a url: %d connections of the bridge, %d of others", n, n_other);
}

/* The server behind the url is stoker too, under the filter of servers; who asks is under the other one. */
static void servers_with_a_url(void)
{
    char log[2 * TEMPORARY_PATH], port[20];
    const char *const flags[] = {"--library", library, NULL};
    struct curl c;
    struct error err = {0};
    if (curl_load(&c, &err)) {
        printf("skip servers with a url: %s\n", err.text);
        skipped++;
        return;
    }
    if (server_start_as(&server, "mcp", "--http", flags, log_file) || server_ready(&server, PATIENCE)) {
        check(0, "no server; see %s", log_file);
        return;
    }
    struct server_process peer = server;
    snprintf(log, sizeof log, "%s/asked", folder);
    snprintf(port, sizeof port, "%d", peer.port);
    write_file("web", "{\"mcpServers\":{\"web\":{\"url\":\"http://127.0.0.1:%d/mcp\",\"allow\":[\"search_library\"]}}}",
               peer.port);
    setenv("ASKED_PORT", port, 1);
    setenv("ASKED_LOG", log, 1);
    says("printf '%s\n' '" CALL("web__search_library", "{\"query\":\"arches\"}") "' | \"$s\" mcp --mcp web",
         "stands on arches");
    says("\"$s\" run --memory 700M --temp 0 -p 'Hi' --mcp web", "MCP server web: 2 tools");
    says("printf '%s\n' '" CALL("p__leave", "{}") "' | ASKED_LOG=plants \"$s\" mcp --mcp planted; [ $? = 159 ]",
         "was ended by signal 31");
    char config_web[2 * TEMPORARY_PATH];
    snprintf(config_web, sizeof config_web, "%s/web", folder);
    start_server(
        (const char *const[]){"--memory", "700M", "--ctx", "4096", "--parallel", "2", "--mcp", config_web, NULL});
    asks("/v1/chat/completions",
         "{" FIND ",\"mcp\":{\"rounds\":2},\"stream\":true" CALLS("web__search_library") SAYS("Yes.") "}", "mcp_event");
    ends("serve");
    unsetenv("ASKED_PORT");
    server = peer;
    ends("mcp --http");
    only_the_bridge_has_connected(log, peer.port);
}

/* ---- servers of MCP, under the filter too ------------------------------------------------------------------------------------ */

static int planted(void)
{
    static char line[1 << 16];
    struct message m;
    while (fgets(line, sizeof line, stdin)) {
        message_read(&m, line, strlen(line));
        if (span_is(m.method, "initialize"))
            fake_answer(m.id, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}}}");
        else if (span_is(m.method, "tools/list"))
            fake_answer(m.id, "{\"tools\":[{\"name\":\"leave\",\"inputSchema\":{\"type\":\"object\"}}]}");
        else if (span_is(m.method, "tools/call"))
            connect_tcp();
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *audited = getenv("AUDITED");
    if (argc == 3 && strcmp(argv[1], "fake") == 0)
        return fake_serve(atoi(argv[2]));
    if (argc == 2 && strcmp(argv[1], "planted") == 0)
        return planted();
    if (argc == 2 && strcmp(argv[1], "connect") == 0) {
        connect_unix();
        return 0;
    }
    if (argc == 2 && getenv("PLANTED"))
        return connect_to(getenv("PLANTED"));
    if (argc > 1)
        return audited ? audit(audited, argc, argv) : 2;
    if (end_of(SOCKETS_NONE, open_pair) == 126) {
        printf("skip socket_audit: this system has no filters of system calls\n0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    the_filter_catches();
    make_files();
    who_asks_is_caught();
    commands();
    commands_of_vectors();
    a_server();
    without_a_model();
    servers_with_a_url();
    reply_free(&reply);
    char command[TEMPORARY_PATH + 40];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        printf("%s stays\n", folder);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed ? 1 : 0;
}
