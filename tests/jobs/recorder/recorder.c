/*
 * Logs every change that a program makes to the files below one directory, in the order in which all its processes make them; on request
 * ends processes, or lets system calls fail, at a change of a given number.
 *
 * Loaded before the C library (LD_PRELOAD), which it stands in front of. One change at a time, over all processes: a lock in shared memory
 * is held around each system call and its record, so that the order of the records is the order of the changes. Environment:
 *   RECORDER_ROOT    the directory, absolute and without symbolic links
 *   RECORDER_LOG     the log; records as in recording.py
 *   RECORDER_SHARED  a file of 4096 bytes: struct shared
 *   RECORDER_PARK    a directory on the same file system: an inode that loses its last name gets one there, so that its number stays taken
 *
 * What it does not see: changes made by stdio's own buffers, through memory maps and by system calls made without the C library. QEMU's tools
 * write by threads, since io_uring, Linux AIO, copy_file_range and sendfile are answered with "not there" here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PROCESSES = 200 };
enum action { RECORD, KILL_ALL, KILL_WRITER, KILL_FIRST, FAIL };

struct shared {
    uint64_t changes;          /* so far */
    uint64_t at;               /* the change, counted from 1, at which the action is taken */
    int32_t action;
    int32_t error;             /* errno of FAIL, from `at` on */
    int32_t count;             /* of pids */
    int32_t pids[PROCESSES];   /* of the programs begun, the first one first */
    int32_t ready;
    pthread_mutex_t lock;
};

struct record {
    char kind;
    char unused[3];
    int32_t pid;
    uint64_t inode, offset, length, flags;
    int64_t modified;
    uint32_t path, other, data; /* lengths of what follows */
    uint32_t unused_either;
};

static struct shared *shared;
static const char *root, *log_path, *park;
static size_t root_length;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void die(const char *why)
{
    fprintf(stderr, "recorder: %s: %s\n", why, strerror(errno));
    _exit(125);
}

__attribute__((constructor)) static void begin(void)
{
    pthread_mutexattr_t attributes;
    const char *path = getenv("RECORDER_SHARED");
    struct shared *map;
    int fd;

    root = getenv("RECORDER_ROOT");
    log_path = getenv("RECORDER_LOG");
    park = getenv("RECORDER_PARK");
    if (!path || !root || !log_path || !park)
        return;
    root_length = strlen(root);
    fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX))
        die(path);
    map = mmap(NULL, sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        die("mmap");
    if (!map->ready) {
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&map->lock, &attributes);
        map->ready = 1;
    }
    if (map->count == PROCESSES)
        die("too many processes");
    map->pids[map->count++] = getpid();
    flock(fd, LOCK_UN); /* the map keeps the file open */
    close(fd);
    shared = map;
}

static void lock(void)
{
    if (pthread_mutex_lock(&shared->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&shared->lock);
}

static void unlock(void)
{
    int error = errno;

    pthread_mutex_unlock(&shared->lock);
    errno = error;
}

/* Called with the lock held, before a change. Whether it shall fail, with errno set. */
static int due(void)
{
    uint64_t number = ++shared->changes;

    if (!shared->at || number < shared->at)
        return 0;
    switch (shared->action) {
    case KILL_ALL:
        for (int i = 0; i < shared->count; i++)
            if (shared->pids[i] != getpid())
                kill(shared->pids[i], SIGKILL);
        kill(getpid(), SIGKILL);
        pause();
        return 0;
    case KILL_WRITER:
        if (number == shared->at) {
            kill(getpid(), SIGKILL);
            pause();
        }
        return 0;
    case KILL_FIRST:
        if (number == shared->at) {
            kill(shared->pids[0], SIGKILL);
            if (shared->pids[0] == getpid())
                pause();
        }
        return 0;
    case FAIL:
        errno = shared->error;
        return 1;
    default:
        return 0;
    }
}

static int below_root(const char *path)
{
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* Whether `fd` is a file or directory below the root; `path` holds PATH_MAX + 1 bytes. */
static int watched(int fd, struct stat *status, char *path)
{
    char link[40];
    ssize_t length;
    int error = errno, found = 0;

    if (shared && !fstat(fd, status) && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode))) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        length = readlink(link, path, PATH_MAX);
        if (length > 0) {
            path[length] = 0;
            found = below_root(path);
        }
    }
    errno = error;
    return found;
}

/* A name as an absolute path, its directory without links; whether it is below the root. */
static int named(int directory, const char *name, char *path)
{
    char whole[2 * PATH_MAX + 2], link[40], folder[PATH_MAX + 1];
    int error = errno, found = 0;
    ssize_t length;
    char *slash;

    if (!shared || !name || strlen(name) > PATH_MAX)
        return 0;
    if (*name == '/') {
        strcpy(whole, name);
    } else {
        snprintf(link, sizeof link, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", directory);
        length = readlink(link, folder, PATH_MAX);
        folder[length > 0 ? length : 0] = 0;
        snprintf(whole, sizeof whole, "%s/%s", folder, name);
    }
    slash = strrchr(whole, '/');
    if (slash) {
        *slash = 0;
        if (realpath(*whole ? whole : "/", folder) && strlen(folder) + strlen(slash + 1) < PATH_MAX) {
            snprintf(path, 2 * PATH_MAX, "%s/%s", folder, slash + 1);
            found = below_root(path);
        }
    }
    errno = error;
    return found;
}

static void note(char kind, uint64_t inode, uint64_t offset, uint64_t length, uint64_t flags, int64_t modified, const char *path,
                 const char *other, const struct iovec *data, int count)
{
    struct record record = {kind, {0}, getpid(), inode, offset, length, flags, modified, strlen(path), strlen(other), 0, 0};
    int error = errno, fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    uint64_t left = data ? length : 0;
    struct iovec parts[3] = {{&record, sizeof record}, {(void *)path, record.path}, {(void *)other, record.other}};

    record.data = left;
    if (fd < 0 || syscall(SYS_writev, fd, parts, 3) < 0)
        die(log_path);
    for (int i = 0; i < count && left; i++) {
        size_t bytes = data[i].iov_len < left ? data[i].iov_len : left;

        if (bytes && syscall(SYS_write, fd, data[i].iov_base, bytes) != (ssize_t)bytes)
            die(log_path);
        left -= bytes;
    }
    syscall(SYS_close, fd);
    errno = error;
}

static int64_t modified(int fd)
{
    struct stat status;

    return fstat(fd, &status) ? 0 : status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec;
}

static void wrote(int fd, const struct stat *status, const char *path, uint64_t offset, uint64_t length, const struct iovec *data, int count)
{
    note('W', status->st_ino, offset, length, 0, modified(fd), path, "", data, count);
}

static uint64_t position(int fd)
{
    struct stat status;

    if (fcntl(fd, F_GETFL) & O_APPEND)
        return fstat(fd, &status) ? 0 : status.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

/* The body of a call that writes `count` parts `data` at `at`. */
#define WRITING(plain, at, data, count)                                                                                                     \
    struct stat status;                                                                                                                     \
    char path[PATH_MAX + 1];                                                                                                                \
    uint64_t offset;                                                                                                                        \
    ssize_t done = -1;                                                                                                                      \
    if (!watched(fd, &status, path))                                                                                                        \
        return plain;                                                                                                                       \
    lock();                                                                                                                                 \
    offset = at;                                                                                                                            \
    if (!due() && (done = plain) > 0)                                                                                                       \
        wrote(fd, &status, path, offset, done, data, count);                                                                                \
    unlock();                                                                                                                               \
    return done

ssize_t write(int fd, const void *buffer, size_t size)
{
    struct iovec part = {(void *)buffer, size};
    WRITING(REAL(write)(fd, buffer, size), position(fd), &part, 1);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    WRITING(REAL(writev)(fd, parts, count), position(fd), parts, count);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t where)
{
    struct iovec part = {(void *)buffer, size};
    WRITING(REAL(pwrite)(fd, buffer, size, where), where, &part, 1);
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t where)
{
    return pwrite(fd, buffer, size, where);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t where)
{
    WRITING(REAL(pwritev)(fd, parts, count, where), where, parts, count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t where)
{
    return pwritev(fd, parts, count, where);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t where, int flags)
{
    WRITING(REAL(pwritev2)(fd, parts, count, where, flags), where, parts, count);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t where, int flags)
{
    return pwritev2(fd, parts, count, where, flags);
}

/* The body of a call that changes a file otherwise, or has its data on the disk. */
#define CHANGING(plain, kind, at, length, flags)                                                                                            \
    struct stat status;                                                                                                                     \
    char path[PATH_MAX + 1];                                                                                                                \
    int done = -1;                                                                                                                          \
    if (!watched(fd, &status, path))                                                                                                        \
        return plain;                                                                                                                       \
    lock();                                                                                                                                 \
    if (!due() && !(done = plain))                                                                                                          \
        note(S_ISDIR(status.st_mode) ? 'D' : kind, status.st_ino, at, length, flags, modified(fd), path, "", NULL, 0);                      \
    unlock();                                                                                                                               \
    return done

int fallocate(int fd, int mode, off_t where, off_t size)
{
    CHANGING(REAL(fallocate)(fd, mode, where, size), 'Z', where, size, mode);
}

int fallocate64(int fd, int mode, off64_t where, off64_t size)
{
    return fallocate(fd, mode, where, size);
}

int posix_fallocate(int fd, off_t where, off_t size)
{
    return fallocate(fd, 0, where, size) ? errno : 0;
}

int posix_fallocate64(int fd, off64_t where, off64_t size)
{
    return posix_fallocate(fd, where, size);
}

int ftruncate(int fd, off_t size)
{
    CHANGING(REAL(ftruncate)(fd, size), 'T', 0, size, 0);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int fsync(int fd)
{
    CHANGING(REAL(fsync)(fd), 'S', 0, 0, 0);
}

int fdatasync(int fd)
{
    CHANGING(REAL(fdatasync)(fd), 'S', 0, 0, 0);
}

/* Names. A file that is made is one that was not there before. */
static int make(int directory, const char *name, int flags, mode_t mode)
{
    char path[2 * PATH_MAX + 2];
    struct stat before, after;
    int fd = -1, missing;

    if (!(flags & (O_CREAT | O_TRUNC)) || !named(directory, name, path))
        return syscall(SYS_openat, directory, name, flags, mode);
    lock();
    missing = fstatat(directory, name, &before, 0);
    if (missing ? !(flags & O_CREAT) : !(flags & O_TRUNC))
        fd = syscall(SYS_openat, directory, name, flags, mode);
    else if (!due() && (fd = syscall(SYS_openat, directory, name, flags, mode)) >= 0 && !fstat(fd, &after))
        note(missing ? 'C' : 'T', after.st_ino, 0, 0, 0, modified(fd), path, "", NULL, 0);
    unlock();
    return fd;
}

#define MODE(flags)                                                                                                                         \
    mode_t mode = 0;                                                                                                                        \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                                                  \
        va_list words;                                                                                                                      \
        va_start(words, flags);                                                                                                             \
        mode = va_arg(words, mode_t);                                                                                                       \
        va_end(words);                                                                                                                      \
    }

int open(const char *name, int flags, ...) { MODE(flags) return make(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return make(AT_FDCWD, name, flags, mode); }
int openat(int directory, const char *name, int flags, ...) { MODE(flags) return make(directory, name, flags, mode); }
int openat64(int directory, const char *name, int flags, ...) { MODE(flags) return make(directory, name, flags, mode); }
int creat(const char *name, mode_t mode) { return make(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

static void keep(int directory, const char *name)
{
    struct stat status;
    char path[PATH_MAX + 1];

    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode))
        return;
    snprintf(path, sizeof path, "%s/%llu", park, (unsigned long long)status.st_ino);
    syscall(SYS_linkat, directory, name, AT_FDCWD, path, 0);
}

int unlinkat(int directory, const char *name, int flags)
{
    char path[2 * PATH_MAX + 2];
    int done = -1;

    if ((flags & AT_REMOVEDIR) || !named(directory, name, path))
        return syscall(SYS_unlinkat, directory, name, flags);
    lock();
    if (!due()) {
        keep(directory, name);
        if (!(done = syscall(SYS_unlinkat, directory, name, flags)))
            note('U', 0, 0, 0, 0, 0, path, "", NULL, 0);
    }
    unlock();
    return done;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int renameat(int directory, const char *name, int other, const char *new_name)
{
    char path[2 * PATH_MAX + 2], new_path[2 * PATH_MAX + 2];
    int done = -1;

    if (!named(directory, name, path) || !named(other, new_name, new_path))
        return syscall(SYS_renameat, directory, name, other, new_name);
    lock();
    if (!due()) {
        keep(other, new_name);
        if (!(done = syscall(SYS_renameat, directory, name, other, new_name)))
            note('R', 0, 0, 0, 0, 0, path, new_path, NULL, 0);
    }
    unlock();
    return done;
}

int rename(const char *name, const char *new_name) { return renameat(AT_FDCWD, name, AT_FDCWD, new_name); }

int linkat(int directory, const char *name, int other, const char *new_name, int flags)
{
    char path[2 * PATH_MAX + 2], new_path[2 * PATH_MAX + 2];
    struct stat status;
    int done = -1;

    if (!named(other, new_name, new_path))
        return syscall(SYS_linkat, directory, name, other, new_name, flags);
    if (!named(directory, name, path))
        *path = 0;
    lock();
    if (!due() && !(done = syscall(SYS_linkat, directory, name, other, new_name, flags))) {
        fstatat(other, new_name, &status, AT_SYMLINK_NOFOLLOW);
        note('L', status.st_ino, 0, 0, 0, 0, path, new_path, NULL, 0);
    }
    unlock();
    return done;
}

int link(const char *name, const char *new_name) { return linkat(AT_FDCWD, name, AT_FDCWD, new_name, 0); }

/* Ways past all this. */
static int absent(void)
{
    errno = ENOSYS;
    return -1;
}

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags) { return -ENOSYS; }
int io_setup(int events, void *context) { return -ENOSYS; }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) { return absent(); }
ssize_t sendfile(int out, int in, off_t *offset, size_t size) { return absent(); }
ssize_t sendfile64(int out, int in, off64_t *offset, size_t size) { return absent(); }
