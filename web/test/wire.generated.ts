// @generated from `protocol/tests/wire` by `cargo xtask gen`. Do not edit: a stale file fails a test.
// What the wire carries, held against its types by the compiler; the same stands in `protocol/fixtures/wire`.
import type { AccountList, AuditPage, ClaimRequest, ClaimResponse, ClaimStatus, ClaimStatusRequest, ClientFrame, CommandAck, CommandEdit, CommandMove, CommandRelease, CommandRequest, DeviceList, FeedFact, InvitationList, InvitationOffer, Lists, Me, NewInvitation, NewPairing, NodeClaimRequest, NodeClaimResponse, NodeCode, PairingAnswer, PairingList, PairingOffer, Problem, ReadTo, ServerFrame, SessionEdit, SessionFact, TranscriptPage, UploadRequest, UploadState } from "../src/protocol/generated";

export const wire = {
  "session-facts": {
    "a turn waits": {
      "headers": {
        "operation": "insert"
      },
      "key": "trn_019b76daa80074048404040404040404",
      "type": "turn",
      "value": {
        "agent": "claude",
        "content": {
          "attachments": [],
          "detail": null
        },
        "endedAtMs": null,
        "error": null,
        "lowWater": null,
        "model": null,
        "ord": 1,
        "origin": {
          "command": "cmd_019b76daa80075058505050505050505",
          "type": "prompt"
        },
        "queuedAtMs": 1767225600000,
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "startedAtMs": null,
        "state": "queued",
        "usage": null,
        "v": 1
      }
    },
    "a turn with an image waits": {
      "headers": {
        "operation": "insert"
      },
      "key": "trn_019b76daa80074048404040404040404",
      "type": "turn",
      "value": {
        "agent": "claude",
        "content": {
          "attachments": [
            {
              "blob": "abababababababababababababababababababababababababababababababab",
              "mediaType": "image/png",
              "name": "tide.png",
              "sizeBytes": 68
            }
          ],
          "detail": null
        },
        "endedAtMs": null,
        "error": null,
        "lowWater": null,
        "model": null,
        "ord": 1,
        "origin": {
          "command": "cmd_019b76daa80075058505050505050505",
          "type": "prompt"
        },
        "queuedAtMs": 1767225600000,
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "startedAtMs": null,
        "state": "queued",
        "usage": null,
        "v": 1
      }
    },
    "a turn runs": {
      "headers": {
        "operation": "update"
      },
      "key": "trn_019b76daa80074048404040404040404",
      "type": "turn",
      "value": {
        "agent": "claude",
        "content": {
          "attachments": [],
          "detail": null
        },
        "endedAtMs": null,
        "error": null,
        "lowWater": "0000000000000000_0000000000004096",
        "model": "sonnet",
        "ord": 1,
        "origin": {
          "command": "cmd_019b76daa80075058505050505050505",
          "type": "prompt"
        },
        "queuedAtMs": 1767225600000,
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "startedAtMs": 1767225600005,
        "state": "running",
        "usage": null,
        "v": 1
      }
    },
    "a turn waits for a person": {
      "headers": {
        "operation": "update"
      },
      "key": "trn_019b76daa80074048404040404040404",
      "type": "turn",
      "value": {
        "agent": "claude",
        "content": {
          "attachments": [],
          "detail": null
        },
        "endedAtMs": null,
        "error": null,
        "lowWater": "0000000000000000_0000000000004096",
        "model": "sonnet",
        "ord": 1,
        "origin": {
          "type": "resume"
        },
        "queuedAtMs": 1767225600000,
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "startedAtMs": 1767225600005,
        "state": "awaiting_approval",
        "usage": null,
        "v": 1
      }
    },
    "a turn is done": {
      "headers": {
        "operation": "update"
      },
      "key": "trn_019b76daa80074048404040404040404",
      "type": "turn",
      "value": {
        "agent": "claude",
        "content": {
          "attachments": [],
          "detail": null
        },
        "endedAtMs": 1767225600900,
        "error": null,
        "lowWater": "0000000000000000_0000000000004096",
        "model": "sonnet",
        "ord": 1,
        "origin": {
          "command": "cmd_019b76daa80075058505050505050505",
          "type": "prompt"
        },
        "queuedAtMs": 1767225600000,
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "startedAtMs": 1767225600005,
        "state": "completed",
        "usage": {
          "cachedTokens": 56,
          "costMicroUsd": 789,
          "inputTokens": 12,
          "outputTokens": 34
        },
        "v": 1
      }
    },
    "a turn was stopped by somebody": {
      "headers": {
        "operation": "update"
      },
      "key": "trn_019b76daa80074048404040404040404",
      "type": "turn",
      "value": {
        "agent": "claude",
        "content": {
          "attachments": [],
          "detail": null
        },
        "endedAtMs": 1767225600900,
        "error": {
          "by": {
            "account": "acc_019b76daa80071018101010101010101",
            "device": "dev_019b76daa80072028202020202020202"
          },
          "code": "cancelled"
        },
        "lowWater": "0000000000000000_0000000000004096",
        "model": "sonnet",
        "ord": 1,
        "origin": {
          "command": "cmd_019b76daa80075058505050505050505",
          "type": "prompt"
        },
        "queuedAtMs": 1767225600000,
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "startedAtMs": 1767225600005,
        "state": "interrupted",
        "usage": null,
        "v": 1
      }
    },
    "a turn of the agent's own failed": {
      "headers": {
        "operation": "insert"
      },
      "key": "trn_019b76daa80074048404040404040404",
      "type": "turn",
      "value": {
        "agent": "claude",
        "content": {
          "attachments": [],
          "detail": "no such model"
        },
        "endedAtMs": 1767225600900,
        "error": {
          "by": null,
          "code": "model_unavailable"
        },
        "lowWater": "0000000000000000_0000000000004096",
        "model": "sonnet",
        "ord": 1,
        "origin": {
          "type": "agent"
        },
        "queuedAtMs": 1767225600000,
        "sender": null,
        "session": "ses_019b76daa80073038303030303030303",
        "startedAtMs": 1767225600005,
        "state": "failed",
        "usage": null,
        "v": 1
      }
    },
    "a person says": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item",
      "value": {
        "content": {
          "kind": "text",
          "text": "héllo \"tide\"\n🌊"
        },
        "createdAtMs": 1767225600006,
        "index": 3,
        "ord": 2,
        "parent": null,
        "role": "user",
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "settledAtMs": 1767225600070,
        "status": "done",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "the agent says, and more may come": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item",
      "value": {
        "content": {
          "kind": "text",
          "text": ""
        },
        "createdAtMs": 1767225600006,
        "index": 3,
        "ord": 2,
        "parent": null,
        "role": "agent",
        "sender": null,
        "session": "ses_019b76daa80073038303030303030303",
        "settledAtMs": null,
        "status": "running",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "the agent thought": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item",
      "value": {
        "content": {
          "kind": "reasoning",
          "text": "hm"
        },
        "createdAtMs": 1767225600006,
        "index": 3,
        "ord": 2,
        "parent": null,
        "role": "agent",
        "sender": null,
        "session": "ses_019b76daa80073038303030303030303",
        "settledAtMs": 1767225600070,
        "status": "interrupted",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "a tool was used": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item",
      "value": {
        "content": {
          "diffs": [
            {
              "newText": "ebb\n",
              "oldText": null,
              "path": "notes.txt"
            },
            {
              "newText": "",
              "oldText": "flow\n",
              "path": "b.txt"
            }
          ],
          "exitCode": 0,
          "input": "{\"file_path\":\"notes.txt\"}",
          "kind": "tool_call",
          "locations": [
            {
              "line": 1,
              "path": "notes.txt"
            },
            {
              "line": null,
              "path": "b.txt"
            }
          ],
          "name": "Write",
          "output": "written",
          "outputOmittedBytes": 12,
          "title": "Write notes.txt",
          "tool": "edit",
          "used": {
            "durationMs": 963,
            "tokens": 3210,
            "toolCalls": 2
          }
        },
        "createdAtMs": 1767225600006,
        "index": 3,
        "ord": 2,
        "parent": null,
        "role": "agent",
        "sender": null,
        "session": "ses_019b76daa80073038303030303030303",
        "settledAtMs": 1767225600070,
        "status": "failed",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "a tool of a sub-agent was refused": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item",
      "value": {
        "content": {
          "diffs": [],
          "exitCode": null,
          "input": "",
          "kind": "tool_call",
          "locations": [],
          "name": "",
          "output": "",
          "outputOmittedBytes": 0,
          "title": "",
          "tool": "other"
        },
        "createdAtMs": 1767225600006,
        "index": 3,
        "ord": 2,
        "parent": "itm_019b76daa80078088808080808080808",
        "role": "agent",
        "sender": null,
        "session": "ses_019b76daa80073038303030303030303",
        "settledAtMs": 1767225600070,
        "status": "denied",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "a plan": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item",
      "value": {
        "content": {
          "entries": [
            {
              "status": "completed",
              "text": "look"
            },
            {
              "status": "in_progress",
              "text": "write"
            },
            {
              "status": "pending",
              "text": "rest"
            }
          ],
          "kind": "plan"
        },
        "createdAtMs": 1767225600006,
        "index": 3,
        "ord": 2,
        "parent": null,
        "role": "agent",
        "sender": null,
        "session": "ses_019b76daa80073038303030303030303",
        "settledAtMs": 1767225600070,
        "status": "done",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "a notice": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item",
      "value": {
        "content": {
          "code": "retrying",
          "kind": "notice",
          "level": "warning",
          "text": "Overloaded"
        },
        "createdAtMs": 1767225600006,
        "index": 3,
        "ord": 2,
        "parent": null,
        "role": "system",
        "sender": null,
        "session": "ses_019b76daa80073038303030303030303",
        "settledAtMs": 1767225600070,
        "status": "done",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "words grow": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "delta",
      "value": {
        "content": {
          "text": " and on"
        },
        "index": 1,
        "part": "text",
        "v": 1
      }
    },
    "input grows": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "delta",
      "value": {
        "content": {
          "text": "{\"a"
        },
        "index": 1,
        "part": "input",
        "v": 1
      }
    },
    "output grows": {
      "headers": {
        "operation": "insert"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "delta",
      "value": {
        "content": {
          "text": "line\n"
        },
        "index": 1,
        "part": "output",
        "v": 1
      }
    },
    "an item was abandoned": {
      "headers": {
        "operation": "delete"
      },
      "key": "itm_019b76daa80076068606060606060606",
      "type": "item"
    },
    "the agent asks": {
      "headers": {
        "operation": "insert"
      },
      "key": "apr_019b76daa80077078707070707070707",
      "type": "approval",
      "value": {
        "content": {
          "because": null,
          "danger": null,
          "detail": "notes.txt",
          "labels": [
            "Allow",
            "Deny"
          ],
          "place": "~/project",
          "questions": [],
          "reason": "outside of the plan",
          "shown": "5f2b",
          "title": "Write notes.txt"
        },
        "createdAtMs": 1767225600050,
        "decision": null,
        "expiresAtMs": null,
        "item": "itm_019b76daa80076068606060606060606",
        "kind": "permission",
        "options": [
          {
            "id": "allow",
            "kind": "allow_once"
          },
          {
            "id": "deny",
            "kind": "deny"
          }
        ],
        "ord": 4,
        "session": "ses_019b76daa80073038303030303030303",
        "state": "pending",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "somebody answered": {
      "headers": {
        "operation": "update"
      },
      "key": "apr_019b76daa80077078707070707070707",
      "type": "approval",
      "value": {
        "content": {
          "because": null,
          "danger": null,
          "detail": "notes.txt",
          "labels": [
            "Allow",
            "Deny"
          ],
          "place": "~/project",
          "questions": [],
          "reason": "outside of the plan",
          "shown": "5f2b",
          "title": "Write notes.txt"
        },
        "createdAtMs": 1767225600050,
        "decision": {
          "atMs": 1767225600060,
          "by": {
            "account": "acc_019b76daa80071018101010101010101",
            "device": "dev_019b76daa80072028202020202020202"
          },
          "option": "allow",
          "rule": null,
          "via": "person"
        },
        "expiresAtMs": null,
        "item": "itm_019b76daa80076068606060606060606",
        "kind": "plan",
        "options": [
          {
            "id": "allow",
            "kind": "allow_once"
          },
          {
            "id": "deny",
            "kind": "deny"
          }
        ],
        "ord": 4,
        "session": "ses_019b76daa80073038303030303030303",
        "state": "answered",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "the agent has a question": {
      "headers": {
        "operation": "insert"
      },
      "key": "apr_019b76daa80077078707070707070707",
      "type": "approval",
      "value": {
        "content": {
          "because": null,
          "danger": null,
          "detail": "notes.txt",
          "labels": [
            "Allow",
            "Deny"
          ],
          "place": "~/project",
          "questions": [
            {
              "header": "Tide",
              "multiple": false,
              "options": [
                {
                  "description": "Out",
                  "label": "Ebb"
                }
              ],
              "question": "Which tide?"
            }
          ],
          "reason": null,
          "shown": "5f2b",
          "title": "Write notes.txt"
        },
        "createdAtMs": 1767225600050,
        "decision": null,
        "expiresAtMs": null,
        "item": null,
        "kind": "question",
        "options": [
          {
            "id": "allow",
            "kind": "allow_once"
          },
          {
            "id": "deny",
            "kind": "deny"
          }
        ],
        "ord": 4,
        "session": "ses_019b76daa80073038303030303030303",
        "state": "pending",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "a standing rule answered": {
      "headers": {
        "operation": "insert"
      },
      "key": "apr_019b76daa80077078707070707070707",
      "type": "approval",
      "value": {
        "content": {
          "because": "`npm test …` in api, for this session",
          "danger": "it removes files",
          "detail": "notes.txt",
          "labels": [
            "Allow",
            "Deny",
            "Always `npm test …` in api, for this session"
          ],
          "place": "~/project",
          "questions": [],
          "reason": "outside of the plan",
          "shown": "5f2b",
          "title": "Write notes.txt"
        },
        "createdAtMs": 1767225600050,
        "decision": {
          "atMs": 1767225600060,
          "by": {
            "account": "acc_019b76daa80071018101010101010101",
            "device": "dev_019b76daa80072028202020202020202"
          },
          "option": "allow",
          "rule": "rul_019b76daa8007e0e8e0e0e0e0e0e0e0e",
          "via": "rule"
        },
        "expiresAtMs": 1767225600090,
        "item": "itm_019b76daa80076068606060606060606",
        "kind": "permission",
        "options": [
          {
            "id": "allow",
            "kind": "allow_once"
          },
          {
            "id": "deny",
            "kind": "deny"
          },
          {
            "id": "rule_1",
            "kind": "allow_rule"
          }
        ],
        "ord": 4,
        "session": "ses_019b76daa80073038303030303030303",
        "state": "answered",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    }
  } satisfies Record<string, SessionFact>,
  "feed-facts": {
    "a host": {
      "headers": {
        "operation": "update"
      },
      "key": "dev_019b76daa80079098909090909090909",
      "type": "host",
      "value": {
        "content": {
          "agents": [
            {
              "abilities": [
                "steer",
                "fork",
                "fork_newest"
              ],
              "commands": [
                {
                  "description": "Make room",
                  "hint": "[what to keep]",
                  "name": "compact",
                  "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a"
                }
              ],
              "efforts": [
                {
                  "description": null,
                  "id": "high",
                  "models": [
                    "sonnet"
                  ],
                  "name": "High"
                }
              ],
              "health": {
                "limits": {
                  "toldAtMs": 1767225600001,
                  "windows": [
                    {
                      "about": null,
                      "resetsAtMs": 1767225600002,
                      "spanMinutes": 300,
                      "standing": "near",
                      "usedPercent": 85
                    }
                  ]
                },
                "login": {
                  "kind": "subscription",
                  "plan": "max"
                },
                "program": "~/.local/bin/claude",
                "tested": {
                  "newest": "2.1.329",
                  "oldest": "2.1.197",
                  "standing": "older"
                }
              },
              "hint": "Log in on the host.",
              "id": "claude",
              "models": [
                {
                  "description": null,
                  "id": "sonnet",
                  "name": "Sonnet"
                }
              ],
              "modes": [
                {
                  "description": "Looks",
                  "id": "plan",
                  "name": "Plan"
                }
              ],
              "name": "Claude Code",
              "state": "logged_out",
              "version": "2.1.0"
            }
          ],
          "name": "tower",
          "platform": "linux x86_64",
          "projectsRoot": "~/towline",
          "version": "0.1.0"
        },
        "generation": 7,
        "presence": "online",
        "reason": null,
        "remoteAccess": "active",
        "seenAtMs": 1767225600000,
        "turnsAtOnce": 5,
        "v": 1
      }
    },
    "a project": {
      "headers": {
        "operation": "insert"
      },
      "key": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
      "type": "project",
      "value": {
        "available": true,
        "content": {
          "name": "project",
          "path": "~/project"
        },
        "createdAtMs": 1767225600000,
        "host": "dev_019b76daa80079098909090909090909",
        "v": 1
      }
    },
    "a new session": {
      "headers": {
        "operation": "insert"
      },
      "key": "ses_019b76daa80073038303030303030303",
      "type": "session",
      "value": {
        "account": "acc_019b76daa80071018101010101010101",
        "activity": "starting",
        "agent": "demo",
        "archivedAtMs": null,
        "backgroundTasks": 0,
        "content": {
          "doing": "Write notes.txt",
          "title": "Tides"
        },
        "createdAtMs": 1767225600000,
        "effort": "high",
        "endedTurns": 3,
        "from": {
          "session": "ses_019b76daa8007b0b8b0b0b0b0b0b0b0b",
          "turn": "trn_019b76daa80074048404040404040404"
        },
        "host": "dev_019b76daa80079098909090909090909",
        "lastTurn": null,
        "mode": "ask",
        "model": null,
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "queuedTurns": 2,
        "updatedAtMs": 1767225600008,
        "v": 1
      }
    },
    "a session needs somebody": {
      "headers": {
        "operation": "update"
      },
      "key": "ses_019b76daa80073038303030303030303",
      "type": "session",
      "value": {
        "account": "acc_019b76daa80071018101010101010101",
        "activity": "needs_input",
        "agent": "demo",
        "archivedAtMs": null,
        "backgroundTasks": 0,
        "content": {
          "doing": "Write notes.txt",
          "title": "Tides"
        },
        "createdAtMs": 1767225600000,
        "effort": "high",
        "endedTurns": 3,
        "from": {
          "session": "ses_019b76daa8007b0b8b0b0b0b0b0b0b0b",
          "turn": "trn_019b76daa80074048404040404040404"
        },
        "host": "dev_019b76daa80079098909090909090909",
        "lastTurn": {
          "id": "trn_019b76daa80074048404040404040404",
          "state": "awaiting_approval"
        },
        "mode": "ask",
        "model": null,
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "queuedTurns": 2,
        "updatedAtMs": 1767225600008,
        "v": 1
      }
    },
    "a session was put away": {
      "headers": {
        "operation": "update"
      },
      "key": "ses_019b76daa80073038303030303030303",
      "type": "session",
      "value": {
        "account": "acc_019b76daa80071018101010101010101",
        "activity": "not_loaded",
        "agent": "demo",
        "archivedAtMs": 1767225600020,
        "backgroundTasks": 0,
        "content": {
          "doing": "Write notes.txt",
          "title": "Tides"
        },
        "createdAtMs": 1767225600000,
        "effort": "high",
        "endedTurns": 3,
        "from": {
          "session": "ses_019b76daa8007b0b8b0b0b0b0b0b0b0b",
          "turn": "trn_019b76daa80074048404040404040404"
        },
        "host": "dev_019b76daa80079098909090909090909",
        "lastTurn": null,
        "mode": "ask",
        "model": null,
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "queuedTurns": 2,
        "updatedAtMs": 1767225600008,
        "v": 1
      }
    },
    "an account has read": {
      "headers": {
        "operation": "update"
      },
      "key": "ses_019b76daa80073038303030303030303",
      "type": "read_mark",
      "value": {
        "account": "acc_019b76daa80071018101010101010101",
        "readTurns": 2,
        "session": "ses_019b76daa80073038303030303030303",
        "v": 1
      }
    },
    "a session is gone": {
      "headers": {
        "operation": "delete"
      },
      "key": "ses_019b76daa80073038303030303030303",
      "type": "session"
    },
    "a command waits": {
      "headers": {
        "operation": "update"
      },
      "key": "cmd_019b76daa80075058505050505050505",
      "type": "command",
      "value": {
        "attempt": 1,
        "content": {
          "attachments": [],
          "detail": null,
          "text": "hello"
        },
        "createdAtMs": 1767225600000,
        "error": null,
        "expiresAtMs": 1767225900000,
        "host": "dev_019b76daa80079098909090909090909",
        "kind": "send_prompt",
        "place": 7,
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "state": "queued",
        "turn": null,
        "updatedAtMs": 1767225600004,
        "v": 1
      }
    },
    "a command succeeded": {
      "headers": {
        "operation": "update"
      },
      "key": "cmd_019b76daa80075058505050505050505",
      "type": "command",
      "value": {
        "attempt": 1,
        "content": {
          "attachments": [],
          "detail": null,
          "text": "hello"
        },
        "createdAtMs": 1767225600000,
        "error": null,
        "expiresAtMs": 1767225900000,
        "host": "dev_019b76daa80079098909090909090909",
        "kind": "send_prompt",
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "state": "succeeded",
        "turn": "trn_019b76daa80074048404040404040404",
        "updatedAtMs": 1767225600004,
        "v": 1
      }
    },
    "a command failed": {
      "headers": {
        "operation": "update"
      },
      "key": "cmd_019b76daa80075058505050505050505",
      "type": "command",
      "value": {
        "attempt": 1,
        "content": {
          "attachments": [],
          "detail": "not found",
          "text": "hello"
        },
        "createdAtMs": 1767225600000,
        "error": {
          "code": "agent_not_started",
          "retryable": true
        },
        "expiresAtMs": 1767225900000,
        "host": "dev_019b76daa80079098909090909090909",
        "kind": "send_prompt",
        "sender": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "session": "ses_019b76daa80073038303030303030303",
        "state": "failed",
        "tried": {
          "code": "agent_not_started",
          "nextAtMs": null,
          "times": 3
        },
        "turn": null,
        "updatedAtMs": 1767225600004,
        "v": 1
      }
    },
    "an approval for the lists": {
      "headers": {
        "operation": "update"
      },
      "key": "apr_019b76daa80077078707070707070707",
      "type": "approval",
      "value": {
        "content": {
          "because": null,
          "danger": null,
          "detail": "notes.txt",
          "labels": [
            "Allow",
            "Deny"
          ],
          "place": "~/project",
          "questions": [],
          "reason": "outside of the plan",
          "shown": "5f2b",
          "title": "Write notes.txt"
        },
        "createdAtMs": 1767225600050,
        "decision": null,
        "expiresAtMs": null,
        "item": "itm_019b76daa80076068606060606060606",
        "kind": "permission",
        "options": [
          {
            "id": "allow",
            "kind": "allow_once"
          },
          {
            "id": "deny",
            "kind": "deny"
          }
        ],
        "ord": 4,
        "session": "ses_019b76daa80073038303030303030303",
        "state": "stale",
        "turn": "trn_019b76daa80074048404040404040404",
        "v": 1
      }
    },
    "a standing rule for commands": {
      "headers": {
        "operation": "update"
      },
      "key": "rul_019b76daa8007e0e8e0e0e0e0e0e0e0e",
      "type": "rule",
      "value": {
        "by": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "content": {
          "scope": {
            "exact": false,
            "kind": "command",
            "words": [
              "npm",
              "test"
            ]
          },
          "words": "`npm test …` in api"
        },
        "createdAtMs": 1767225600001,
        "expiresAtMs": null,
        "host": "dev_019b76daa80079098909090909090909",
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "session": "ses_019b76daa80073038303030303030303",
        "usedAtMs": 1767225600008,
        "uses": 2,
        "v": 1
      }
    },
    "a standing rule for files": {
      "headers": {
        "operation": "insert"
      },
      "key": "rul_019b76daa8007e0e8e0e0e0e0e0e0e0e",
      "type": "rule",
      "value": {
        "by": {
          "account": "acc_019b76daa80071018101010101010101",
          "device": "dev_019b76daa80072028202020202020202"
        },
        "content": {
          "scope": {
            "kind": "path",
            "path": "/srv/project/src",
            "tool": "edit"
          },
          "words": "`npm test …` in api"
        },
        "createdAtMs": 1767225600001,
        "expiresAtMs": 1767225600099,
        "host": "dev_019b76daa80079098909090909090909",
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "session": null,
        "usedAtMs": 1767225600008,
        "uses": 2,
        "v": 1
      }
    },
    "this machine": {
      "headers": {
        "operation": "insert"
      },
      "key": "dev_019b76daa80072028202020202020202",
      "type": "device",
      "value": {
        "account": "acc_019b76daa80071018101010101010101",
        "content": {
          "name": "Phone",
          "platform": "iPhone · Safari"
        },
        "createdAtMs": 1767225600000,
        "kind": "node",
        "publicKey": null,
        "revokedAtMs": null,
        "rights": [
          "read",
          "prompt",
          "approve",
          "manage"
        ],
        "v": 1
      }
    },
    "a browser": {
      "headers": {
        "operation": "insert"
      },
      "key": "dev_019b76daa80072028202020202020202",
      "type": "device",
      "value": {
        "account": "acc_019b76daa80071018101010101010101",
        "content": {
          "name": "Phone",
          "platform": "iPhone · Safari"
        },
        "createdAtMs": 1767225600000,
        "kind": "browser",
        "publicKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "revokedAtMs": null,
        "rights": [
          "read",
          "prompt",
          "approve",
          "manage"
        ],
        "v": 1
      }
    },
    "a program that was revoked": {
      "headers": {
        "operation": "insert"
      },
      "key": "dev_019b76daa80072028202020202020202",
      "type": "device",
      "value": {
        "account": "acc_019b76daa80071018101010101010101",
        "content": {
          "name": "Phone",
          "platform": "iPhone · Safari"
        },
        "createdAtMs": 1767225600000,
        "kind": "program",
        "publicKey": null,
        "revokedAtMs": 1767225600009,
        "rights": [
          "read",
          "prompt",
          "approve",
          "manage"
        ],
        "v": 1
      }
    }
  } satisfies Record<string, FeedFact>,
  "commands": {
    "start a session": {
      "body": {
        "agent": "claude",
        "content": {
          "attachments": [],
          "text": "hello",
          "title": "Tides"
        },
        "effort": "high",
        "kind": "start_session",
        "mode": "plan",
        "model": "sonnet",
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "start an empty session": {
      "body": {
        "agent": "demo",
        "content": {
          "attachments": [],
          "text": null,
          "title": null
        },
        "kind": "start_session",
        "mode": null,
        "model": null,
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "start a session in a project that its host makes and names": {
      "body": {
        "agent": "demo",
        "content": {
          "attachments": [],
          "text": "hello",
          "title": null
        },
        "kind": "start_session",
        "mode": null,
        "model": null,
        "newProject": true,
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "start a session in a new project with a name": {
      "body": {
        "agent": "demo",
        "content": {
          "attachments": [],
          "projectName": "Tide tables",
          "text": null,
          "title": null
        },
        "kind": "start_session",
        "mode": null,
        "model": null,
        "newProject": true,
        "project": "prj_019b76daa8007a0a8a0a0a0a0a0a0a0a",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "go on from an earlier turn in a session of its own": {
      "body": {
        "after": "trn_019b76daa80074048404040404040404",
        "content": {
          "attachments": [],
          "text": "another way",
          "title": null
        },
        "from": "ses_019b76daa8007b0b8b0b0b0b0b0b0b0b",
        "kind": "fork_session",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "send a prompt": {
      "body": {
        "content": {
          "attachments": [],
          "text": "hello"
        },
        "kind": "send_prompt",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "send a prompt that may wait for a day": {
      "body": {
        "content": {
          "attachments": [],
          "text": "hello"
        },
        "kind": "send_prompt",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": 86400000
    },
    "send a prompt again that came to nothing": {
      "body": {
        "content": {
          "attachments": [],
          "text": "hello"
        },
        "kind": "send_prompt",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "retryOf": "cmd_019b76daa80076068606060606060606",
      "ttlMs": null
    },
    "send an image without a word": {
      "body": {
        "content": {
          "attachments": [
            {
              "blob": "abababababababababababababababababababababababababababababababab",
              "mediaType": "image/png",
              "name": "tide.png",
              "sizeBytes": 68
            }
          ],
          "text": ""
        },
        "kind": "send_prompt",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "change a prompt that waits": {
      "body": {
        "content": {
          "text": "hello again"
        },
        "kind": "edit_prompt",
        "session": "ses_019b76daa80073038303030303030303",
        "turn": "trn_019b76daa80074048404040404040404"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "move a prompt that waits to the front": {
      "body": {
        "before": "trn_019b76daa80075058505050505050505",
        "kind": "move_prompt",
        "session": "ses_019b76daa80073038303030303030303",
        "turn": "trn_019b76daa80074048404040404040404"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "hand a prompt over in mid-turn": {
      "body": {
        "kind": "steer_prompt",
        "session": "ses_019b76daa80073038303030303030303",
        "turn": "trn_019b76daa80074048404040404040404"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "stop what runs": {
      "body": {
        "kind": "cancel_turn",
        "session": "ses_019b76daa80073038303030303030303",
        "turn": null
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "stop one turn": {
      "body": {
        "kind": "cancel_turn",
        "session": "ses_019b76daa80073038303030303030303",
        "turn": "trn_019b76daa80074048404040404040404"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "answer": {
      "body": {
        "approval": "apr_019b76daa80077078707070707070707",
        "content": {
          "answers": {
            "Which tide?": "Ebb"
          },
          "message": "not there",
          "shown": "5f2b"
        },
        "kind": "answer_approval",
        "option": "deny",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "choose a model": {
      "body": {
        "kind": "set_options",
        "mode": null,
        "model": "opus",
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    },
    "choose an effort": {
      "body": {
        "effort": "high",
        "kind": "set_options",
        "mode": null,
        "model": null,
        "session": "ses_019b76daa80073038303030303030303"
      },
      "host": "dev_019b76daa80079098909090909090909",
      "id": "cmd_019b76daa80075058505050505050505",
      "ttlMs": null
    }
  } satisfies Record<string, CommandRequest>,
  "client-frames": {
    "hello": {
      "capabilities": [
        "moon"
      ],
      "client": "test/0",
      "protocolMax": 2,
      "protocolMin": 1,
      "type": "hello"
    },
    "subscribe from the start": {
      "from": "start",
      "stream": "sessions/ses_019b76daa80073038303030303030303/journal",
      "sub": 1,
      "type": "subscribe"
    },
    "subscribe from now on": {
      "from": "now",
      "stream": "sessions/ses_019b76daa80073038303030303030303/journal",
      "sub": 1,
      "type": "subscribe"
    },
    "subscribe from an offset": {
      "from": "0000000000000002_0000000000000077",
      "stream": "sessions/ses_019b76daa80073038303030303030303/journal",
      "sub": 1,
      "type": "subscribe"
    },
    "subscribe to a feed": {
      "from": "start",
      "stream": "accounts/acc_019b76daa80071018101010101010101/feed",
      "sub": 2,
      "type": "subscribe"
    },
    "subscribe to a turn": {
      "from": "start",
      "stream": "turns/trn_019b76daa80074048404040404040404/live",
      "sub": 3,
      "type": "subscribe"
    },
    "unsubscribe": {
      "sub": 1,
      "type": "unsubscribe"
    },
    "command": {
      "command": {
        "body": {
          "content": {
            "attachments": [],
            "text": "hello"
          },
          "kind": "send_prompt",
          "session": "ses_019b76daa80073038303030303030303"
        },
        "host": "dev_019b76daa80079098909090909090909",
        "id": "cmd_019b76daa80075058505050505050505",
        "ttlMs": null
      },
      "req": 4,
      "type": "command"
    },
    "cancel_command": {
      "command": "cmd_019b76daa80075058505050505050505",
      "req": 5,
      "type": "cancel_command"
    },
    "ping": {
      "req": 6,
      "type": "ping"
    }
  } satisfies Record<string, ClientFrame>,
  "server-frames": {
    "welcome": {
      "account": "acc_019b76daa80071018101010101010101",
      "capabilities": [],
      "device": "dev_019b76daa80072028202020202020202",
      "heartbeatMs": 15000,
      "host": "dev_019b76daa80079098909090909090909",
      "hubAtMs": 1767225600000,
      "protocol": 1,
      "type": "welcome",
      "version": "0.1.0"
    },
    "subscribed": {
      "next": "0000000000000000_0000000000000000",
      "sub": 1,
      "tail": "0000000000000000_0000000000000077",
      "type": "subscribed"
    },
    "batch": {
      "messages": [
        {
          "headers": {
            "operation": "delete"
          },
          "key": "x",
          "type": "moon"
        }
      ],
      "next": "0000000000000000_0000000000000077",
      "sub": 1,
      "type": "batch",
      "upToDate": true
    },
    "ended: closed": {
      "next": "0000000000000000_0000000000000077",
      "reason": "closed",
      "sub": 1,
      "type": "ended"
    },
    "ended: deleted": {
      "next": null,
      "reason": "deleted",
      "sub": 1,
      "type": "ended"
    },
    "ended: reset": {
      "next": null,
      "reason": "reset",
      "sub": 1,
      "type": "ended"
    },
    "ended: forbidden": {
      "next": null,
      "reason": "forbidden",
      "sub": 1,
      "type": "ended"
    },
    "ended: failed": {
      "next": null,
      "reason": "failed",
      "sub": 1,
      "type": "ended"
    },
    "unsubscribed": {
      "sub": 1,
      "type": "unsubscribed"
    },
    "ack": {
      "command": "cmd_019b76daa80075058505050505050505",
      "expiresAtMs": 1767225900000,
      "req": 4,
      "state": "queued",
      "type": "ack"
    },
    "pong": {
      "hubAtMs": 1767225600000,
      "req": 6,
      "type": "pong"
    },
    "heartbeat": {
      "hubAtMs": 1767225600000,
      "type": "heartbeat"
    },
    "error of a request": {
      "problem": {
        "code": "queue_full",
        "detail": "100 wait",
        "hint": "Wait until some have started, or take some back.",
        "requestId": null,
        "status": 429,
        "title": "Too many commands wait for this host or this chat"
      },
      "req": 4,
      "sub": null,
      "type": "error"
    },
    "error of a subscription": {
      "problem": {
        "code": "not_found",
        "detail": null,
        "hint": "Check the id; it may have been deleted.",
        "requestId": null,
        "status": 404,
        "title": "There is no such thing here"
      },
      "req": null,
      "sub": 1,
      "type": "error"
    }
  } satisfies Record<string, ServerFrame>,
  "http-bodies": {
    "claim": {
      "code": "ABCD-EFGH",
      "kind": "browser",
      "name": "Phone",
      "platform": "iPhone · Safari",
      "publicKey": null
    } satisfies ClaimRequest,
    "claimed": {
      "claimToken": "t",
      "expiresAtMs": 1767225600000,
      "pairing": "pai_019b76daa8007b0b8b0b0b0b0b0b0b0b",
      "words": "amber tide"
    } satisfies ClaimResponse,
    "node asks": {
      "code": null,
      "device": "dev_019b76daa80072028202020202020202",
      "name": "Desk",
      "platform": "linux x86_64",
      "publicKey": "key",
      "signature": "signature"
    } satisfies NodeClaimRequest,
    "node is given a code": {
      "claimToken": "t",
      "code": "ABCD-EFGH",
      "expiresAtMs": 1767225600000,
      "pairing": "pai_019b76daa8007b0b8b0b0b0b0b0b0b0b",
      "words": "amber tide"
    } satisfies NodeClaimResponse,
    "code of a node": {
      "code": "ABCD-EFGH"
    } satisfies NodeCode,
    "ask for the claim": {
      "claimToken": "t",
      "pairing": "pai_019b76daa8007b0b8b0b0b0b0b0b0b0b",
      "waitMs": 20000
    } satisfies ClaimStatusRequest,
    "pending": {
      "state": "pending"
    } satisfies ClaimStatus,
    "approved browser": {
      "credential": null,
      "device": "dev_019b76daa80072028202020202020202",
      "state": "approved"
    } satisfies ClaimStatus,
    "approved program": {
      "credential": "told once",
      "device": "dev_019b76daa80072028202020202020202",
      "state": "approved"
    } satisfies ClaimStatus,
    "rejected": {
      "state": "rejected"
    } satisfies ClaimStatus,
    "expired": {
      "state": "expired"
    } satisfies ClaimStatus,
    "new pairing": {
      "once": true
    } satisfies NewPairing,
    "offer": {
      "code": "ABCD-EFGH",
      "expiresAtMs": 1767225600000,
      "pairing": "pai_019b76daa8007b0b8b0b0b0b0b0b0b0b",
      "secret": "s"
    } satisfies PairingOffer,
    "claims": {
      "claims": [
        {
          "expiresAtMs": 1767225600000,
          "fingerprint": null,
          "kind": "browser",
          "name": "Phone",
          "pairing": "pai_019b76daa8007b0b8b0b0b0b0b0b0b0b",
          "platform": "iPhone · Safari",
          "source": "10.0.0.2",
          "words": "amber tide"
        }
      ]
    } satisfies PairingList,
    "answer": {
      "allow": true
    } satisfies PairingAnswer,
    "invitation": {
      "invitation": "inv_019b76daa8007e0e8e0e0e0e0e0e0e0e",
      "link": {
        "expiresAtMs": 1767225600000,
        "secret": "s"
      }
    } satisfies InvitationOffer,
    "invite": {
      "name": "Ada"
    } satisfies NewInvitation,
    "invitations": {
      "invitations": [
        {
          "createdAtMs": 1767225600000,
          "expiresAtMs": 1767225600000,
          "invitation": "inv_019b76daa8007e0e8e0e0e0e0e0e0e0e",
          "name": "Ada"
        }
      ]
    } satisfies InvitationList,
    "accounts": {
      "accounts": [
        {
          "account": "acc_019b76daa80071018101010101010101",
          "bytes": 1024,
          "createdAtMs": 1767225600000,
          "devices": 2,
          "name": "Ada",
          "owner": false,
          "seenAtMs": 1767225600000
        }
      ]
    } satisfies AccountList,
    "me": {
      "about": {
        "account": "acc_019b76daa80071018101010101010101",
        "content": {
          "name": "Phone",
          "platform": "iPhone · Safari"
        },
        "createdAtMs": 1767225600000,
        "kind": "browser",
        "publicKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "revokedAtMs": null,
        "rights": [
          "read",
          "prompt",
          "approve",
          "manage"
        ],
        "v": 1
      },
      "account": "acc_019b76daa80071018101010101010101",
      "device": "dev_019b76daa80072028202020202020202",
      "host": null,
      "invites": true,
      "version": "0.1.0"
    } satisfies Me,
    "lists": {
      "facts": [],
      "offset": "0000000000000000_0000000000000009"
    } satisfies Lists,
    "transcript": {
      "before": "0000000000000000_0000000000000009",
      "facts": [],
      "open": [],
      "tail": "0000000000000000_0000000000000000"
    } satisfies TranscriptPage,
    "ack": {
      "command": "cmd_019b76daa80075058505050505050505",
      "detail": "not found",
      "error": "agent_unavailable",
      "expiresAtMs": 1767225600000,
      "state": "failed",
      "turn": null
    } satisfies CommandAck,
    "other words": {
      "text": "go on",
      "ttlMs": null
    } satisfies CommandEdit,
    "another life": {
      "text": null,
      "ttlMs": 86400000
    } satisfies CommandEdit,
    "to the end": {
      "before": null
    } satisfies CommandMove,
    "as it is shown": {
      "updatedAtMs": 1
    } satisfies CommandRelease,
    "devices": {
      "devices": [
        {
          "about": {
            "account": "acc_019b76daa80071018101010101010101",
            "content": {
              "name": "Phone",
              "platform": "iPhone · Safari"
            },
            "createdAtMs": 1767225600000,
            "kind": "browser",
            "publicKey": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "revokedAtMs": null,
            "rights": [
              "read",
              "prompt",
              "approve",
              "manage"
            ],
            "v": 1
          },
          "connected": true,
          "device": "dev_019b76daa80072028202020202020202"
        }
      ]
    } satisfies DeviceList,
    "audit": {
      "before": null,
      "entries": [
        {
          "account": "acc_019b76daa80071018101010101010101",
          "action": "command.send_prompt",
          "atMs": 1767225600000,
          "content": null,
          "contentBytes": 5,
          "device": "dev_019b76daa80072028202020202020202",
          "host": "dev_019b76daa80079098909090909090909",
          "id": "aud_019b76daa8007c0c8c0c0c0c0c0c0c0c",
          "outcome": "ok",
          "source": "127.0.0.1",
          "target": "cmd_019b76daa80075058505050505050505"
        }
      ]
    } satisfies AuditPage,
    "rename": {
      "archived": null,
      "title": "Tides"
    } satisfies SessionEdit,
    "put away": {
      "archived": true,
      "title": null
    } satisfies SessionEdit,
    "read": {
      "readTurns": 3
    } satisfies ReadTo,
    "announce a file": {
      "mediaType": "image/png",
      "name": "tide.png",
      "sizeBytes": 68
    } satisfies UploadRequest,
    "half a file": {
      "blob": null,
      "receivedBytes": 9,
      "upload": "upl_019b76daa8007d0d8d0d0d0d0d0d0d0d"
    } satisfies UploadState,
    "a whole file": {
      "blob": {
        "mediaType": "image/png",
        "sha256": "abababababababababababababababababababababababababababababababab",
        "sizeBytes": 68
      },
      "receivedBytes": 68,
      "upload": "upl_019b76daa8007d0d8d0d0d0d0d0d0d0d"
    } satisfies UploadState,
    "problem": {
      "code": "not_found",
      "detail": "no such session",
      "hint": "Check the id; it may have been deleted.",
      "requestId": null,
      "status": 404,
      "title": "There is no such thing here"
    } satisfies Problem,
  },
};
