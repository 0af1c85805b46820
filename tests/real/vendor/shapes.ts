// The body of each request, in the words of its vendor's own package.
import type { Block, KnownBlock } from "@slack/types";
import type { ChatPostMessageArguments, ChatUpdateArguments } from "@slack/web-api";
import type { IncomingWebhookSendArguments } from "@slack/webhook";
import type { LinearDocument } from "@linear/sdk";
import type {
  AppendBlockChildrenParameters, CreatePageParameters, QueryDataSourceParameters, UpdatePageParameters,
} from "@notionhq/client";
import type { EventPayloadV2 } from "@pagerduty/pdjs/build/src/events";
import type {
  RESTPatchAPIWebhookWithTokenMessageJSONBody, RESTPostAPIWebhookWithTokenJSONBody,
} from "discord-api-types/v10";

// Slack's types take a block of any make beside those that they know, which would take every misspelt one.
type Known<T> = T extends Block
  ? (Block extends T ? never : T)
  : T extends object ? { [K in keyof T]: Known<T[K]> } : T;

export type SlackPost = Known<ChatPostMessageArguments>;
export type SlackUpdate = Known<ChatUpdateArguments>;
// The reference of a message's payload has `mrkdwn` for both ways in; this package leaves it out.
export type SlackWebhook = Known<IncomingWebhookSendArguments> & Pick<ChatPostMessageArguments, "mrkdwn">;

export type DiscordPost = RESTPostAPIWebhookWithTokenJSONBody;
export type DiscordEdit = RESTPatchAPIWebhookWithTokenMessageJSONBody;

type Call<Variables> = { query: string; variables: Variables };
export type LinearIssue = Call<{ input: LinearDocument.IssueCreateInput }>;
export type LinearComment = Call<{ input: LinearDocument.CommentCreateInput }>;
export type LinearUpdate = Call<{ id: string; input: LinearDocument.IssueUpdateInput }>;

export type NotionQuery = Omit<QueryDataSourceParameters, "data_source_id">;
export type NotionPage = CreatePageParameters;
export type NotionUpdate = Omit<UpdatePageParameters, "page_id">;
export type NotionAppend = Omit<AppendBlockChildrenParameters, "block_id">;

// The documentation of the Events API has both of these; this package leaves them out.
export type PagerDutyEvent = EventPayloadV2 & { client?: string; client_url?: string };
