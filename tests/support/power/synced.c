/* Notes how much of a server's append-only file is on the disk: what a loss of power would leave of it.
 *
 * Loaded into the server by LD_PRELOAD. Beside "x.incr.aof" it keeps "x.incr.aof.synced" with the size, 20 digits, that
 * the file had when the newest finished fsync began: all that was written later may be gone. Linux only.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_END ".incr.aof"
#define MARK_END ".synced"

/* the server syncs from two threads, and an older size must not come over a newer one */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void note(int fd, long long size) {
    char link[64], path[PATH_MAX + sizeof MARK_END], digits[21];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX);
    ssize_t end = sizeof FILE_END - 1;
    if (length < end || memcmp(path + length - end, FILE_END, end) != 0) return;
    memcpy(path + length, MARK_END, sizeof MARK_END);
    int mark = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (mark < 0) return; /* no mark: the file counts as not synced at all, and the test fails */
    snprintf(digits, sizeof digits, "%020lld", size);
    /* one write over the older one, so a kill leaves a whole number; a failed one leaves the older number */
    if (pwrite(mark, digits, 20, 0) != 20) perror("synced.c");
    close(mark);
}

static int synced(long number, int fd) {
    struct stat before;
    pthread_mutex_lock(&one_at_a_time);
    int known = fstat(fd, &before) == 0;
    int answer = (int)syscall(number, fd);
    if (known && answer == 0) note(fd, (long long)before.st_size);
    pthread_mutex_unlock(&one_at_a_time);
    return answer;
}

int fsync(int fd) { return synced(SYS_fsync, fd); }

int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }
