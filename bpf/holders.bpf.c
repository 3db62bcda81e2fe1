/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Who holds which TCP socket, and who is in which network namespace: iterators, which run when they are read, and write
 * a row for what is asked for. They read only.
 */
#include "kernel.h"

struct seq_file;
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct bpf_iter_meta { struct seq_file *seq; };
struct file { struct inode *f_inode; };
struct bpf_iter__task_file { struct bpf_iter_meta *meta; struct task_struct *task; __u32 fd; struct file *file; };
struct bpf_iter__task { struct bpf_iter_meta *meta; struct task_struct *task; };
#pragma clang attribute pop

char LICENSE[] SEC("license") = "GPL";

#define TCP 6
#define MPTCP 262

/* exporter/decode/bpf_holders.py knows the same. */
struct holder { __u64 inode; __u32 pid, inum; __u8 is_over, unused[7]; };
struct member { __u32 pid, inum; };

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16384); __type(key, __u64); __type(value, __u8); } wanted SEC(".maps");

/* The number of the process in the PID namespace of the one that reads, which shows no others. */
static __always_inline __u32 number(struct task_struct *task)
{
	struct task_struct *reader = bpf_get_current_task_btf();
	__u64 pid = (__u64)BPF_CORE_READ(task, group_leader, thread_pid), level = BPF_CORE_READ(reader, thread_pid, level);
	__u64 at = pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	__u32 found = 0;

	bpf_probe_read_kernel(&found, sizeof(found), (void *)(at + bpf_core_field_offset(struct upid, nr)));
	return found;
}

static __always_inline struct sock *tcp_socket(struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);
	struct sock *sk = socket ? socket->sk : 0;

	return sk && (sk->sk_protocol == TCP || sk->sk_protocol == MPTCP) ? sk : 0;
}

/* It has had a peer and has left all tables: the local port is 0 then, the remote one is not. */
static __always_inline bool is_over(struct sock *sk)
{
	return sk->__sk_common.skc_state == CLOSE && sk->__sk_common.skc_dport;
}

SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct sock *sk = task && file ? tcp_socket(file) : 0;

	if (!sk)
		return 0;
	struct holder told = {.inode = file->f_inode->i_ino, .is_over = is_over(sk)};

	if (!told.is_over && !bpf_map_lookup_elem(&wanted, &told.inode))
		return 0;
	told.pid = number(task);
	told.inum = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
	return 0;
}

/* A thread can be in another namespace than its process. */
SEC("iter/task")
int members(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task)
		return 0;
	__u32 inum = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum), leader = BPF_CORE_READ(task, group_leader, nsproxy, net_ns, ns.inum);

	if (!inum || (task->pid != task->tgid && inum == leader))
		return 0;
	struct member told = {.pid = number(task), .inum = inum};

	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
	return 0;
}

_Static_assert(sizeof(struct holder) == 24 && sizeof(struct member) == 8, "see exporter/decode/bpf_holders.py");
