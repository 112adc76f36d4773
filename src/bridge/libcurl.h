/* The part of libcurl that the bridge uses, loaded when it starts: no other process has it, and building needs none of its headers.
 *
 * Its functions, and the numbers of its options, have been the same since version 7.66 (2019), of which curl_multi_poll() is; its ABI does
 * not change within libcurl.so.4. Source: curl/curl.h, curl/multi.h; curl.se/libcurl/abi.html. */
#ifndef BRIDGE_LIBCURL_H
#define BRIDGE_LIBCURL_H

struct error;

/* Values are long, char * and so on by their kind: 0 long, 10000 a pointer, 20000 a function. */
enum curl_option {
    CURL_POST = 47,
    CURL_POST_SIZE = 60,
    CURL_SSL_VERSION = 32,
    CURL_NO_SIGNAL = 99,
    CURL_TIMEOUT_MS = 155,
    CURL_CONNECT_TIMEOUT_MS = 156,
    CURL_PROTOCOLS = 181,
    CURL_KEEP_ALIVE = 213,
    CURL_WRITE_DATA = 10001,
    CURL_URL = 10002,
    CURL_PROXY = 10004,
    CURL_ERROR_TEXT = 10010,
    CURL_POST_FIELDS = 10015,
    CURL_USER_AGENT = 10018,
    CURL_HEADERS = 10023,
    CURL_HEADER_DATA = 10029,
    CURL_METHOD = 10036,
    CURL_CA_FILE = 10065,
    CURL_CA_FOLDER = 10097,
    CURL_PRIVATE = 10103,
    CURL_WRITE_FUNCTION = 20011,
    CURL_HEADER_FUNCTION = 20079
};

enum curl_info {
    CURL_OF_STATUS = 0x200002,
    CURL_OF_TYPE = 0x100012,
    CURL_OF_PRIVATE = 0x100015,
    CURL_OF_REDIRECT = 0x10001f
};

enum { CURL_NOT_BUILT_IN = 4, CURL_UNKNOWN_OPTION = 48 }; /* of easy_setopt() */

enum {
    CURL_ERROR_SIZE = 256, /* of CURL_ERROR_TEXT */
    CURL_HTTP = 1,         /* of CURL_PROTOCOLS */
    CURL_HTTPS = 2,
    CURL_TLS_1_2 = 6, /* of CURL_SSL_VERSION: and later ones */
    CURL_DONE = 1     /* of struct curl_message */
};

struct curl_message { /* CURLMsg */
    int kind;
    void *easy;
    union {
        void *whatever;
        int result; /* 0: the transfer went through */
    } data;
};

struct curl_slist { /* which slist_append() makes */
    char *text;
    struct curl_slist *next;
};

struct curl_fd { /* struct curl_waitfd */
    int fd;
    short events, revents; /* CURL_READABLE */
};
enum { CURL_READABLE = 1 };

struct curl {
    int (*global_init)(long flags);
    void *(*easy_init)(void);
    int (*easy_setopt)(void *easy, int option, ...);
    int (*easy_getinfo)(void *easy, int info, ...);
    void (*easy_cleanup)(void *easy);
    const char *(*easy_strerror)(int result);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    void *(*multi_init)(void);
    int (*multi_add_handle)(void *multi, void *easy);
    int (*multi_remove_handle)(void *multi, void *easy);
    int (*multi_perform)(void *multi, int *n_running);
    int (*multi_poll)(void *multi, struct curl_fd *fds, unsigned n, int timeout_ms, int *n_ready);
    struct curl_message *(*multi_info_read)(void *multi, int *n_left);
};

/* -1: the system lacks it; *err says what to install. */
int curl_load(struct curl *c, struct error *err);

#endif
