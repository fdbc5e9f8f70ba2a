// SAP's own JavaScript client for Azure OpenAI deployments, unchanged, against the simulator: chat, stream and tools.
// Usage: node sap_foundation_models.mjs MODEL; the service key is in AICORE_SERVICE_KEY. Ends with a failed assertion or `ok`.
import assert from 'node:assert/strict';
import { AzureOpenAiChatClient } from '@sap-ai-sdk/foundation-models';

const client = new AzureOpenAiChatClient(process.argv[2]);
const tools = [
  {
    type: 'function',
    function: {
      name: 'read_file',
      description: 'Reads a text file',
      parameters: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }
    }
  }
];

const chat = await client.run({ messages: [{ role: 'user', content: 'Repeat the word plum-4711' }] });
assert.match(chat.getContent(), /plum-4711/);
assert.equal(chat.getFinishReason(), 'stop');
assert.ok(chat.getTokenUsage().prompt_tokens > 0);

const stream = await client.stream({ messages: [{ role: 'user', content: 'Repeat the words früh – 李 – 🙂 plum-4712' }] });
let text = '';
for await (const chunk of stream.stream) {
  text += chunk.getDeltaContent() ?? '';
}
assert.match(text, /früh – 李 – 🙂 plum-4712/);
assert.equal(stream.getFinishReason(), 'stop');

const messages = [{ role: 'user', content: 'Read the file plum.txt' }];
const asked = (await client.run({ messages, tools }))._data.choices[0];
assert.equal(asked.finish_reason, 'tool_calls');
const [call] = asked.message.tool_calls;
assert.match(JSON.parse(call.function.arguments).path, /plum\.txt$/);
messages.push(asked.message, { role: 'tool', tool_call_id: call.id, content: 'the plum weighs 93 grams' });
const answered = await client.run({ messages, tools });
assert.match(answered.getContent(), /the plum weighs 93 grams/);

await assert.rejects(client.run({ messages, no_such_field: 1 }), error => /400/.test(`${error} ${error.cause}`));
console.log('ok');
