/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What is used of the kernel's structures. Each stands here with those of its fields that are read, in any order: the
 * kernel that loads a program puts its own offsets in their place (CO-RE), so no header of any kernel is needed.
 * ___NAME marks another layout of the same structure; which one is there is asked by HAS.
 */
#pragma once

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define AF_INET 2
#define AF_INET6 10

/* include/net/tcp_states.h */
enum {
	ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING,
	NEW_SYN_RECV,	/* a struct request_sock, told as SYN_RECV */
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct hlist_node { struct hlist_node **pprev; };
struct hlist_nulls_node { struct hlist_nulls_node *next; };
struct hlist_nulls_head { struct hlist_nulls_node *first; };
struct list_head { struct list_head *next; };
struct timer_list { struct hlist_node entry; };

/* ---- network namespaces, and their tables of sockets ---- */
struct ns_common { const void *ops; unsigned int inum; };
struct inet_ehash_bucket { struct hlist_nulls_head chain; };
struct inet_listen_hashbucket { struct hlist_nulls_head nulls_head; };
struct inet_hashinfo {
	struct inet_ehash_bucket *ehash;
	unsigned int ehash_mask, lhash2_mask;
	struct inet_listen_hashbucket *lhash2;
	bool pernet;	/* from 6.1 on: the table is not shared with other namespaces */
};
/* Up to 5.18 lhash2 has chains of another kind, and this table is the one to walk. */
struct inet_hashinfo___by_port { struct inet_listen_hashbucket listening_hash[32]; };
struct inet_timewait_death_row { struct inet_hashinfo *hashinfo; int sysctl_max_tw_buckets; };
struct local_ports { __u32 range; };
struct netns_ipv4 { struct inet_timewait_death_row tcp_death_row; struct local_ports ip_local_ports; };
struct net { struct list_head list; struct ns_common ns; struct netns_ipv4 ipv4; };
/* 5.18 to 6.0 */
struct netns_ipv4___apart { struct inet_timewait_death_row *tcp_death_row; };
struct net___apart { struct netns_ipv4___apart ipv4; };
/* up to 6.7 */
struct local_ports___two { int range[2]; };
struct netns_ipv4___two { struct local_ports___two ip_local_ports; };
struct net___two { struct netns_ipv4___two ipv4; };

/* ---- processes ---- */
struct nsproxy { struct net *net_ns; };
struct upid { int nr; };
struct pid { unsigned int level; struct upid numbers[1]; };
struct task_struct { int pid, tgid; struct task_struct *group_leader; struct pid *thread_pid; struct nsproxy *nsproxy; };

/* ---- sockets ---- */
struct inode { unsigned long i_ino; };
struct socket { struct sock *sk; };
struct socket_alloc { struct socket socket; struct inode vfs_inode; };
struct kernfs_node { __u64 id; };
struct cgroup { struct kernfs_node *kn; };
struct sock_cgroup_data { struct cgroup *cgroup; };
typedef struct { struct net *net; } possible_net_t;
struct proto { int unused; };
struct in6_addr { char unused; };
struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only: 1;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	struct hlist_nulls_node skc_nulls_node;
	__u32 skc_tw_snd_nxt;
};
struct sock_backlog { struct { int counter; } rmem_alloc; };
struct sock {
	struct sock_common __sk_common;
	struct sock_backlog sk_backlog;
	__u32 sk_ack_backlog, sk_max_ack_backlog;
	__u16 sk_protocol;
	struct socket *sk_socket;
	unsigned long sk_ino;				/* from 6.17 on */
	struct sock_cgroup_data sk_cgrp_data;
	struct timer_list sk_timer;			/* keepalive, where icsk_keepalive_timer is not */
	struct timer_list tcp_retransmit_timer;		/* from 6.19 on, in the same place as sk_timer */
};
struct inet_sock { __be16 inet_sport; };
struct inet_connection_sock {
	struct timer_list icsk_keepalive_timer;		/* from 6.19 on */
	__u8 icsk_retransmits, icsk_pending, icsk_probes_out;
	void *icsk_ulp_data;
	struct { __u32 lrcvtime; } icsk_ack;
};
struct tcp_sock { __u32 rcv_nxt, copied_seq, write_seq, snd_una, rcv_tstamp, lsndtime; bool is_mptcp; };
struct inet_timewait_sock { volatile unsigned char tw_substate; };
struct request_sock { __u8 num_retrans; };
struct tcp_request_sock { __u32 snt_isn; };
struct mptcp_subflow_context { struct sock *conn; };
struct mptcp_sock { __u32 token; };

#pragma clang attribute pop

#define HAS(type, field) bpf_core_field_exists(((struct type *)0)->field)
