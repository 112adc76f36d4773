/* See libcurl.h. */
#include "bridge/libcurl.h"

#include "base/error.h"

#include <dlfcn.h>
#include <stddef.h>

enum { EVERYTHING = 3 }; /* CURL_GLOBAL_ALL */

static const struct {
    const char *name;
    size_t at; /* in struct curl */
} functions[] = {
    {"curl_global_init", offsetof(struct curl, global_init)},
    {"curl_easy_init", offsetof(struct curl, easy_init)},
    {"curl_easy_setopt", offsetof(struct curl, easy_setopt)},
    {"curl_easy_getinfo", offsetof(struct curl, easy_getinfo)},
    {"curl_easy_cleanup", offsetof(struct curl, easy_cleanup)},
    {"curl_easy_strerror", offsetof(struct curl, easy_strerror)},
    {"curl_slist_append", offsetof(struct curl, slist_append)},
    {"curl_slist_free_all", offsetof(struct curl, slist_free_all)},
    {"curl_multi_init", offsetof(struct curl, multi_init)},
    {"curl_multi_add_handle", offsetof(struct curl, multi_add_handle)},
    {"curl_multi_remove_handle", offsetof(struct curl, multi_remove_handle)},
    {"curl_multi_perform", offsetof(struct curl, multi_perform)},
    {"curl_multi_poll", offsetof(struct curl, multi_poll)},
    {"curl_multi_info_read", offsetof(struct curl, multi_info_read)},
};

/* Debian has it once for each library of TLS; they have the same functions. */
static void *open_library(void)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return library;
}

int curl_load(struct curl *c, struct error *err)
{
    void *library = open_library();
    int missing = !library;
    for (size_t i = 0; !missing && i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(library, functions[i].name);
        *(void **)((char *)c + functions[i].at) = function;
        missing = !function;
    }
    if (missing || c->global_init(EVERYTHING))
        return error_set(err, ERR_UNSUPPORTED,
                         "servers with a url are reached by libcurl 7.66 or newer, which this system lacks; install it "
                         "(Debian's package libcurl4)");
    return 0;
}
