/* Writing files of known prefixes behind: see writer.h. */
#include "engine/prefix/writer.h"

#include "base/error.h"
#include "base/thread.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bytes that the file system lacks for n more: a twentieth of it is left to others. */
static uint64_t missing_space(int dir, uint64_t n)
{
    struct statvfs fs;
    if (fstatvfs(dir, &fs))
        return 0;
    uint64_t there = (uint64_t)fs.f_bavail * fs.f_frsize, wanted = n + (uint64_t)fs.f_blocks * fs.f_frsize / 20;
    return there < wanted ? wanted - there : 0;
}

static enum prefix_image_state write_image(int dir, struct prefix_image *m)
{
    uint64_t n = prefix_file_bytes(&m->r);
    if ((m->missing = missing_space(dir, n)) > 0)
        return IMAGE_NO_SPACE;
    prefix_file_seal(&m->r, m->data);
    return prefix_file_write(dir, m->r.hash, m->data, n) ? IMAGE_FAILED : IMAGE_WRITTEN;
}

static struct prefix_image *image_in(struct prefix_writer *w, enum prefix_image_state first,
                                     enum prefix_image_state last)
{
    for (int i = 0; i < PREFIX_IMAGES; i++)
        if (w->image[i].state >= first && w->image[i].state <= last)
            return &w->image[i];
    return NULL;
}

static void *write_behind(void *writer)
{
    struct prefix_writer *w = writer;
    syscall(SYS_ioprio_set, 1, 0, 3 << 13); /* this thread, the idle class: others' reads go first */
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct prefix_image *m = image_in(w, IMAGE_SENT, IMAGE_SENT);
        if (!m && w->stop)
            break;
        if (!m) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        pthread_mutex_unlock(&w->lock);
        enum prefix_image_state result = write_image(w->dir, m);
        pthread_mutex_lock(&w->lock);
        m->state = result;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- the engine thread's side ----------------------------------------------------------------------------------------------- */

static struct prefix_image *find_image(struct prefix_writer *w, enum prefix_image_state first,
                                       enum prefix_image_state last)
{
    pthread_mutex_lock(&w->lock);
    struct prefix_image *m = image_in(w, first, last);
    pthread_mutex_unlock(&w->lock);
    return m;
}

static void set_state(struct prefix_writer *w, struct prefix_image *m, enum prefix_image_state state)
{
    pthread_mutex_lock(&w->lock);
    m->state = state;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

struct prefix_image *prefix_writer_image(struct prefix_writer *w)
{
    pthread_mutex_lock(&w->lock);
    struct prefix_image *m = image_in(w, IMAGE_FREE, IMAGE_FREE);
    for (int i = 0; i < PREFIX_IMAGES; i++)
        if (w->image[i].stale && w->image[i].state != IMAGE_FREE)
            m = NULL;
    pthread_mutex_unlock(&w->lock);
    return m;
}

struct prefix_image *prefix_writer_done(struct prefix_writer *w) { return find_image(w, IMAGE_WRITTEN, IMAGE_FAILED); }

void prefix_writer_send(struct prefix_writer *w, struct prefix_image *m)
{
    m->stale = 0;
    set_state(w, m, IMAGE_SENT);
}

void prefix_writer_release(struct prefix_writer *w, struct prefix_image *m) { set_state(w, m, IMAGE_FREE); }

void prefix_writer_forget(struct prefix_writer *w)
{
    for (int i = 0; i < PREFIX_IMAGES; i++)
        w->image[i].stale = 1; /* the engine thread's alone */
}

void prefix_writer_wait(struct prefix_writer *w, int most)
{
    pthread_mutex_lock(&w->lock);
    for (int sent = most + 1; sent > most;) {
        sent = 0;
        for (int i = 0; i < PREFIX_IMAGES; i++)
            sent += w->image[i].state == IMAGE_SENT;
        if (sent > most)
            pthread_cond_wait(&w->changed, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

int prefix_writer_open(struct prefix_writer *w, int dir, uint64_t image_bytes, struct error *err)
{
    pthread_attr_t attr;
    *w = (struct prefix_writer){.dir = dir};
    for (int i = 0; i < PREFIX_IMAGES; i++)
        if (!(w->image[i].data = malloc(image_bytes)))
            return error_set(err, ERR_MEMORY, "no memory for writing known prefixes");
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, PREFIX_WRITER_STACK);
    w->runs = thread_create(&w->thread, &attr, write_behind, w) == 0;
    pthread_attr_destroy(&attr);
    if (w->runs)
        return 0;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    return error_set(err, ERR_MEMORY, "starting the writer of known prefixes failed");
}

void prefix_writer_close(struct prefix_writer *w)
{
    if (w->runs) {
        pthread_mutex_lock(&w->lock);
        w->stop = 1;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        w->runs = 0;
    }
    for (int i = 0; i < PREFIX_IMAGES; i++)
        free(w->image[i].data);
}
