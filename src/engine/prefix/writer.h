/* Writes files of known prefixes behind: a thread at idle priority, and two images that go back and forth.
 *
 *     engine thread    prefix_writer_image() -> fills it -> prefix_writer_send()
 *     writer thread    checksums, space, writes beside, renames
 *     engine thread    prefix_writer_done() -> looks at what became of it -> prefix_writer_release()
 */
#ifndef ENGINE_PREFIX_WRITER_H
#define ENGINE_PREFIX_WRITER_H

#include "engine/prefix/file.h"

#include <pthread.h>

struct error;

enum { PREFIX_IMAGES = 2, PREFIX_WRITER_STACK = 64 * 1024 };

/* SENT is the writer's, all others are the engine's. NO_SPACE, FAILED: the file is not there. */
enum prefix_image_state { IMAGE_FREE, IMAGE_SENT, IMAGE_WRITTEN, IMAGE_NO_SPACE, IMAGE_FAILED };

struct prefix_image {
    enum prefix_image_state state; /* under the lock */
    struct prefix_record r;
    uint8_t *data;
    int stale;        /* everything was forgotten since it was filled */
    uint64_t missing; /* NO_SPACE: bytes that the file system lacks for it */
};

struct prefix_writer {
    int dir;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int runs, stop;
    struct prefix_image image[PREFIX_IMAGES];
};

/* Into a folder that is open; images of so many bytes. After -1 too it may be closed. */
int prefix_writer_open(struct prefix_writer *w, int dir, uint64_t image_bytes, struct error *err);
/* Writes what was sent. A writer that is zeroed may be closed. */
void prefix_writer_close(struct prefix_writer *w);

/* A free one; NULL: there is none, or what is stale is still being written: it is unlinked then, and its name may be wanted anew. */
struct prefix_image *prefix_writer_image(struct prefix_writer *w);
void prefix_writer_send(struct prefix_writer *w, struct prefix_image *m);
struct prefix_image *prefix_writer_done(struct prefix_writer *w); /* one that is at its end, or NULL */
void prefix_writer_release(struct prefix_writer *w, struct prefix_image *m);
void prefix_writer_wait(struct prefix_writer *w, int most); /* until no more images are on their way */
void prefix_writer_forget(struct prefix_writer *w);         /* those on their way are stale */

#endif
