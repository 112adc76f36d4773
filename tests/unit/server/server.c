/* links: server toolbox mcp library engine text model store op machine kernel format base */
/* The life of servers: two in a process answer beside each other and end one by one; one that is stopped while its model loads ends. What
 * /metrics tells of energy. */
#include "server/server.h"

#include "base/process/guard.h"
#include "mcp/mcp.h"

#include "../../mcp_fake.h"
#include "planted.h"
#include "server_client.h"
#include "temporary.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MODEL "models/ember/ember.gguf"

struct instance {
    struct server_options opt;
    struct server_stopper stopper;
    pthread_t thread;
    atomic_int port;
    int stops_at_once; /* as soon as it listens */
    int rc;
};

static char root[TEMPORARY_PATH]; /* of planted counters, or "" */

static void keep_sampling(void *arg, struct stoker_sampling *s) { (void)arg, (void)s; }

static void listening(void *arg, const char *host, int port)
{
    struct instance *i = arg;
    (void)host;
    atomic_store(&i->port, port);
    if (i->stops_at_once)
        server_stop(&i->stopper);
}

static void *run(void *arg)
{
    struct instance *i = arg;
    struct stoker_error err = {0};
    i->rc = server_run(&i->opt, &i->stopper, listening, i, &err);
    return NULL;
}

static void begin(struct instance *i, const char *model, uint64_t memory, int stops_at_once)
{
    struct stoker_error err;
    *i = (struct instance){.stops_at_once = stops_at_once, .rc = 1};
    i->opt = (struct server_options){.host = "127.0.0.1",
                                     .max_conns = 8,
                                     .queue = 8,
                                     .max_body = 1 << 20,
                                     .header_timeout = 20,
                                     .body_timeout = 20,
                                     .drain = 20,
                                     .model = model,
                                     .sampling = stoker_sampling_defaults(),
                                     .set_sampling = keep_sampling,
                                     .think = -1,
                                     .close_at_limit = -1};
    /* rings of one reader after the other, at the same address, look like a race to ThreadSanitizer */
    i->opt.engine = (struct stoker_options){
        .memory = memory, .n_ctx = 512, .n_threads = 1, .reader = "threads", .root = root};
    assert_int_equal(server_stopper_open(&i->stopper, &err), 0);
    assert_int_equal(pthread_create(&i->thread, NULL, run, i), 0);
}

static int end(struct instance *i)
{
    pthread_join(i->thread, NULL);
    server_stopper_close(&i->stopper);
    return i->rc;
}

/* 1: a chat is answered. */
static int answers(struct instance *i)
{
    static const char chat[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":3,\"ignore_eos\":true}";
    struct server_process where = {.port = atomic_load(&i->port)};
    struct client c = {where.port, -1};
    struct reply r = {0};
    int up = server_ready(&where, 60) == 0 &&
             client_ask(&c, "POST", "/v1/chat/completions", chat, sizeof chat - 1, &r, NULL, NULL) == 0 &&
             r.status == 200 && strstr(r.body, "\"completion_tokens\":3");
    client_close(&c);
    reply_free(&r);
    return up;
}

/* Whoever should set it may have failed. */
static void wait_for(const atomic_int *set)
{
    double began = clock_seconds();
    while (!atomic_load(set) && clock_seconds() - began < 300)
        usleep(1000);
    assert_true(atomic_load(set));
}

static void two_beside_each_other(void **state)
{
    (void)state;
    static struct instance one, other;
    begin(&one, MODEL, STOKER_MEMORY_MIN, 0);
    begin(&other, MODEL, STOKER_MEMORY_MIN, 0);
    wait_for(&one.port);
    wait_for(&other.port);
    assert_true(answers(&one) && answers(&other));
    server_stop(&one.stopper);
    assert_int_equal(end(&one), 0);
    assert_true(answers(&other)); /* the other server is not affected */
    server_stop(&other.stopper);
    assert_int_equal(end(&other), 0);
}

/* Its model is closed by whoever is last: the sanitizers see what is left, and what is used afterwards. */
static void stopped_while_loading(void **state)
{
    (void)state;
    static struct instance i[16];
    for (size_t k = 0; k < sizeof i / sizeof *i; k++) {
        begin(&i[k], MODEL, STOKER_MEMORY_MIN, 1);
        assert_int_equal(end(&i[k]), 0);
    }
}

static atomic_int is_held, has_ended;

/* A drive that is slow: for ten seconds, if the server waits for it. */
static void hold(void *arg, uint64_t done, uint64_t total)
{
    (void)arg, (void)done, (void)total;
    atomic_store(&is_held, 1);
    for (int i = 0; i < 1000 && !atomic_load(&has_ended); i++)
        usleep(10000);
}

/* This program again, as an MCP server. */
static struct mcp *start_tools(struct mcp_config *config)
{
    char text[200];
    struct mcp *tools;
    struct error err = {0};
    snprintf(text, sizeof text, "{\"mcpServers\":{\"a\":{\"command\":\"/proc/%d/exe\",\"args\":[\"serve\"]}}}",
             (int)getpid());
    assert_int_equal(mcp_config_parse(config, "C", text, strlen(text), &err), 0);
    assert_int_equal(mcp_open(&tools, config, "1", &err), 0);
    return tools;
}

/* 1: one that this process started lives, or nobody asked how it ended. */
static int has_programs(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* One for MCP clients, whose model is that of its searches. The servers of its tools have ended when it has. */
static void stopped_before_its_model_is_read(void **state)
{
    (void)state;
    static struct instance i;
    static struct mcp_config config;
    struct stoker_error err;
    i = (struct instance){.rc = 1};
    i.opt = (struct server_options){
        .host = "127.0.0.1", .max_conns = 8, .queue = 8, .max_body = 1 << 20, .header_timeout = 20, .drain = 20};
    i.opt.mcp = start_tools(&config);
    assert_true(has_programs());
    i.opt.engine = (struct stoker_options){
        .n_threads = 1, .reader = "threads", .embed = TEST_DATA "/embeddings/bert-mean.gguf", .progress = hold};
    assert_int_equal(server_stopper_open(&i.stopper, &err), 0);
    assert_int_equal(pthread_create(&i.thread, NULL, run, &i), 0);
    wait_for(&is_held);
    double began = clock_seconds();
    server_stop(&i.stopper);
    assert_int_equal(end(&i), 0);
    assert_true(clock_seconds() - began < 5);
    assert_false(has_programs());
    atomic_store(&has_ended, 1);
    mcp_config_free(&config);
}

/* Errors that are found before the server listens, and after. */
static void without_a_model(void **state)
{
    (void)state;
    static struct instance i;
    begin(&i, "models/ember/none.gguf", STOKER_MEMORY_MIN, 0);
    assert_int_equal(end(&i), -1);
    assert_int_equal(i.port, 0);
    begin(&i, MODEL, 1 << 20, 0);
    assert_int_equal(end(&i), -1);
    assert_int_equal(i.port, 0); /* nobody is told where a server listens whose plan does not fit */
}

/* ---- energy ----------------------------------------------------------------------------------------------------------------- */

/* 1: the server's /metrics hold text; none NULL or text that they do not hold. */
static int metrics_hold(const struct instance *i, const char *text, const char *none)
{
    struct client c = {atomic_load(&i->port), -1};
    struct reply r = {0};
    int hold = client_ask(&c, "GET", "/metrics", "", 0, &r, NULL, NULL) == 0 && r.status == 200 &&
               strstr(r.body, text) && !(none && strstr(r.body, none));
    client_close(&c);
    reply_free(&r);
    return hold;
}

/* A counter is not read again within ENERGY_LEAST. */
static int metrics_come_to_hold(const struct instance *i, const char *text)
{
    double began = clock_seconds();
    while (!metrics_hold(i, text, NULL))
        if (clock_seconds() - began > 20)
            return 0;
    return 1;
}

static void begin_with(struct instance *i, const char *energy)
{
    assert_int_equal(temporary_folder(root, "server"), 0);
    plant_package(root, energy);
    begin(i, MODEL, STOKER_MEMORY_MIN, 0);
    wait_for(&i->port);
    struct server_process where = {.port = atomic_load(&i->port)};
    assert_int_equal(server_ready(&where, 60), 0);
}

static void end_with(struct instance *i)
{
    char command[TEMPORARY_PATH + 16];
    server_stop(&i->stopper);
    assert_int_equal(end(i), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
    root[0] = 0;
}

static void energy_that_is_counted(void **state)
{
    (void)state;
    static struct instance i;
    begin_with(&i, "5000000\n");
    assert_true(
        metrics_hold(&i, "\n# TYPE stoker_energy_joules_total counter\nstoker_energy_joules_total 0.000\n", NULL));
    plant_package(root, "17500000\n");
    assert_true(metrics_come_to_hold(&i, "\nstoker_energy_joules_total 12.500\n"));
    plant_package(root, "18000000\n");
    assert_true(metrics_come_to_hold(&i, "\nstoker_energy_joules_total 13.000\n"));
    end_with(&i);
}

static void energy_that_nobody_may_read(void **state)
{
    (void)state;
    static struct instance i;
    begin_with(&i, NULL);
    assert_true(metrics_hold(&i,
                             "\n# stoker_energy_joules_total: energy is not counted, since only root may read the "
                             "counters: they could betray what other programs compute (CVE-2020-8694).\n",
                             "\nstoker_energy_joules_total"));
    end_with(&i);
}

int main(int argc, char **argv)
{
    if (guard_is(argc, argv))
        guard_become(argc, argv);
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return fake_serve(0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_beside_each_other),
                                       cmocka_unit_test(stopped_while_loading),
                                       cmocka_unit_test(stopped_before_its_model_is_read),
                                       cmocka_unit_test(without_a_model),
                                       cmocka_unit_test(energy_that_is_counted),
                                       cmocka_unit_test(energy_that_nobody_may_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
