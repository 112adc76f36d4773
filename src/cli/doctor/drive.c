/* What holds up reading: io_uring that is forbidden, and the drive of a model. Sources: io_uring_setup(2), statfs(2), and
 * sysfs-block of the kernel's Documentation/ABI. */
#include "cli/doctor/doctor.h"

#include "base/error.h"
#include "base/kernel_file.h"
#include "cli/machine/drive.h"
#include "store/reader.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* Below this rate a drive is what answers of a streamed model wait for, on all machines. */
#define SLOW_DRIVE 1e9
/* No turning drive reads pieces of 1 MiB from anywhere at this rate. */
#define TURNING_DRIVE 0.4e9

static const char without_ring[] =
    "experts are read by a pool of threads instead, which costs cores and a tenth of the rate of fast drives";

void examine_kernel(struct findings *f, const char *root)
{
    struct io_uring ring;
    double off = kernel_file_number(0, root, "/proc/sys/kernel/io_uring_disabled");
    int code = *root ? 0 : io_uring_queue_init(2, &ring, 0);
    if (off > 0 && (*root || code)) /* 1 forbids it to some processes */
        found(f, "io_uring", "kernel.io_uring_disabled is %.0f: %s; sysctl kernel.io_uring_disabled=0", off,
              without_ring);
    else if (code == -ENOSYS)
        found(f, "io_uring",
              "this kernel has no io_uring, or hides it: %s; take Linux 5.6 or newer, or allow it in the container",
              without_ring);
    else if (code == -EPERM || code == -EACCES)
        found(f, "io_uring",
              "io_uring is forbidden to this process: %s; allow it in the seccomp profile of the container",
              without_ring);
    else if (code == -ENOMEM)
        found(f, "io_uring", "no memory may be locked for io_uring: %s; raise ulimit -l", without_ring);
    if (code == 0 && !*root)
        io_uring_queue_exit(&ring);
}

/* File systems that read through a network or a program. Numbers: linux/magic.h, and cifs. */
static void file_system(struct findings *f, const struct gguf_file *file)
{
    static const struct {
        unsigned type;
        const char *name, *why;
    } slow[] = {
        {0x6969, "NFS", "over the network"},       {0x517b, "SMB", "over the network"},
        {0xfe534d42, "SMB", "over the network"},   {0xff534d42, "CIFS", "over the network"},
        {0x65735546, "FUSE", "through a program"}, {0x01021997, "9P", "through the host of this virtual machine"}};
    struct statfs s;
    if (fstatfs(file->fd, &s))
        return;
    for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
        if ((unsigned)s.f_type == slow[i].type)
            found(f, "file-system", "%s lies on %s, which is read %s: copy it to a drive of this machine", file->path,
                  slow[i].name, slow[i].why);
}

/* rate: bytes a second, 0 where it is not measured. Drives of virtual machines often call themselves turning ones: they are if they are
 * slow, and in a copy of files, of which nothing is measured. */
static void block_device(struct findings *f, const char *root, const struct gguf_file *file, double rate)
{
    char line[KERNEL_FILE_LINE];
    unsigned major_of = major(file->dev), minor_of = minor(file->dev);
    double turns = kernel_file_number(-1, root, "/sys/dev/block/%u:%u/queue/rotational", major_of, minor_of);
    if (turns < 0) /* a partition: its drive is the folder above */
        turns = kernel_file_number(0, root, "/sys/dev/block/%u:%u/../queue/rotational", major_of, minor_of);
    if (turns == 1 && rate < TURNING_DRIVE && (rate > 0 ? !findings_are_busy(f) : *root != 0))
        found(f, "rotational",
              "%s lies on a turning drive, which finds some hundred experts a second: copy it to an SSD", file->path);
    if (!kernel_file_line(line, root, "/sys/dev/block/%u:%u/loop/backing_file", major_of, minor_of))
        found(f, "loop",
              "%s lies in a file that is mounted as a drive (%s), so that all is read through two file systems: copy "
              "it out of there",
              file->path, line);
    if (!kernel_file_line(line, root, "/sys/dev/block/%u:%u/dm/uuid", major_of, minor_of) &&
        strncmp(line, "CRYPT-", 6) == 0)
        found(
            f, "encrypted",
            "%s lies on an encrypted drive, whose bytes take cores to decrypt: a partition without encryption is read "
            "faster",
            file->path);
}

void judge_drive_rate(struct findings *f, const char *path, const struct stoker_plan *p, double rate)
{
    double read = p->n_class ? (1 - p->hit_rate) * (double)p->expert_bytes_per_token : 0;
    if (rate >= SLOW_DRIVE || read < 1 || findings_are_busy(f))
        return;
    found(f, "slow-drive",
          "the drive of %s is read at %.2f GB/s, which allows at most %.1f tokens/s with this much memory: NVMe drives "
          "give 3 to 7 GB/s, a second copy on another drive adds its rate (--mirror), and more --memory reads less",
          path, rate / 1e9, rate / read);
}

int examine_drive(struct findings *f, const char *root, const char *model, const struct stoker_plan *p,
                  struct facts *facts)
{
    char path[PATH_MAX];
    struct drive d;
    uint32_t align;
    double *rate = &facts->drive_rate;
    if (drive_of_model(path, model) || drive_open(&d, path))
        return -1;
    int failed = !*root && drive_take_memory(&d) == 0 &&
                 drive_rate(&d, p->n_class ? p->expert_bytes[0] : 1 << 20, rate) != 0;
    file_system(f, &d.file);
    block_device(f, root, &d.file, *rate);
    if (!reader_file_direct(&d.file, &align))
        found(f, "page-cache",
              "%s is on a file system without O_DIRECT, so that it is read through the page cache, which takes memory "
              "and cores: copy it to ext4, XFS or btrfs",
              path);
    if (*rate > 0)
        judge_drive_rate(f, path, p, *rate);
    drive_close(&d);
    return failed ? -1 : 0;
}
