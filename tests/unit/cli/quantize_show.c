/* links: cli server toolbox mcp library eval quant engine text model store op machine kernel format base */
/* What --dry-run tells of time, whose seconds are this test's, and of names. */
#include "cli/quantize/show.h"
#include "quant_world.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char model[TEMPORARY_PATH], printed[TEMPORARY_PATH];
static double seconds;

/* Stands before the one of the layer below. */
double quant_seconds(const struct quant_job *j)
{
    (void)j;
    return seconds;
}

static const char *shown_of(const struct quant_job *j)
{
    static char text[8192];
    fflush(stdout);
    int was = dup(STDOUT_FILENO), fd = open(printed, O_RDWR | O_TRUNC);
    assert_true(was >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    quantize_show(j);
    fflush(stdout);
    assert_true(dup2(was, STDOUT_FILENO) >= 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = 0;
    close(fd);
    close(was);
    return text;
}

static void time_is_told(void **state)
{
    const struct world_tensor t = {"blk.0.ffn_up.weight", TYPE_F32, 2, {256, 4}, NULL};
    const struct quant_options o = {
        .in = model, .out = "/nowhere/out.gguf", .program = "test", .type = "q8_0", .header_only = 1, .n_threads = 1};
    static const struct {
        double seconds;
        const char *says;
    } c[] = {{42, "\ntime: some 42 s of encoding where nothing else runs; meanwhile 4.0 KiB are read, and "},
             {6000, "\ntime: some 100 min of encoding where nothing else runs; "},
             {NAN, NULL}};
    struct error err = {0};
    struct quant_job *j;
    (void)state;
    world_model(model, 1, 0, &t, 1);
    if (quant_open(&j, &o, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        seconds = c[i].seconds;
        const char *text = shown_of(j);
        assert_non_null(strstr(text, "\nmemory: "));
        if (c[i].says ? !strstr(text, c[i].says) : strstr(text, "time: ") || strstr(text, "nan"))
            fail_msg("of %g seconds: %s", seconds, text);
    }
    quant_close(j);
}

/* Names are bytes of a file: none steers the terminal, also where importance is demanded for one. */
static void names_are_plain(void **state)
{
    const struct world_tensor t = {"blk.0.ffn_up\033[2J\xc2\x9b.weight", TYPE_F32, 2, {256, 4}, NULL};
    const struct quant_options o = {
        .in = model, .out = "/nowhere/out.gguf", .program = "test", .type = "iq2_xs", .header_only = 1, .n_threads = 1};
    struct error err = {0};
    struct quant_job *j;
    (void)state;
    world_model(model, 1, 0, &t, 1);
    if (quant_open(&j, &o, &err))
        fail_msg("%s", err.text);
    const char *text = shown_of(j);
    if (strpbrk(text, "\033\xc2") || !strstr(text, "by 1 tensors, blk.0.ffn_up?[2J??.weight first"))
        fail_msg("%s", text);
    quant_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(time_is_told), cmocka_unit_test(names_are_plain)};
    close(temporary_file(model, "model"));
    close(temporary_file(printed, "printed"));
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(model);
    unlink(printed);
    return status;
}
