// SAP's own JavaScript orchestration client, unchanged, against the simulator: chat, stream and tools.
// Usage: node sap_orchestration.mjs MODEL; the service key is in AICORE_SERVICE_KEY. Ends with a failed assertion or `ok`.
import assert from 'node:assert/strict';
import { OrchestrationClient } from '@sap-ai-sdk/orchestration';

const name = process.argv[2];
const client = prompt => new OrchestrationClient({ promptTemplating: { model: { name }, prompt } });
const readFile = {
  type: 'function',
  function: {
    name: 'read_file',
    description: 'Reads a text file',
    parameters: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }
  }
};

// A template with a placeholder, and messages of this one call after it.
const templated = client({ template: [{ role: 'system', content: 'You answer about {{?topic}}.' }] });
const chat = await templated.chatCompletion({
  messages: [{ role: 'user', content: 'Repeat the word plum-4711' }],
  placeholderValues: { topic: 'fruit' }
});
assert.match(chat.getContent(), /plum-4711/);
assert.equal(chat.getFinishReason(), 'stop');
assert.ok(chat.getTokenUsage().prompt_tokens > 0);
assert.ok(chat.getRequestId());

const stream = await templated.stream({
  messages: [{ role: 'user', content: 'Repeat the words früh – 李 – 🙂 plum-4712' }],
  placeholderValues: { topic: 'fruit' }
});
let text = '';
for await (const chunk of stream.stream) {
  text += chunk.getDeltaContent() ?? '';
}
assert.match(text, /früh – 李 – 🙂 plum-4712/);
assert.equal(stream.getFinishReason(), 'stop');
assert.ok(stream.getTokenUsage().completion_tokens > 0);

// Tools: the model asks for a file, gets it, and answers with what stands in it; whole and streamed.
const question = { role: 'user', content: 'Read the file plum.txt' };
const withTools = client({ template: [question], tools: [readFile] });
const asked = await withTools.chatCompletion();
const [call] = asked.getToolCalls();
assert.equal(asked.getFinishReason(), 'tool_calls');
assert.equal(call.function.name, 'read_file');
assert.match(JSON.parse(call.function.arguments).path, /plum\.txt$/);

const streamedCall = await withTools.stream();
for await (const chunk of streamedCall.stream) {
  assert.ok(chunk);
}
assert.match(JSON.parse(streamedCall.getToolCalls()[0].function.arguments).path, /plum\.txt$/);

const answered = await withTools.chatCompletion({
  messages: [asked.getAssistantMessage(), { role: 'tool', tool_call_id: call.id, content: 'the plum weighs 93 grams' }]
});
assert.match(answered.getContent(), /the plum weighs 93 grams/);

await assert.rejects(
  new OrchestrationClient({ promptTemplating: { model: { name: 'no-such-model' }, prompt: { template: [question] } } })
    .chatCompletion(),
  error => /400/.test(`${error} ${error.cause}`)
);
console.log('ok');
