// SAP's own JavaScript clients, unchanged, against the simulator's resource group `hub`: the modules around the prompt, and embeddings.
// Usage: node sap_orchestration_modules.mjs MODEL; the service key is in AICORE_SERVICE_KEY. Ends with a failed assertion or `ok`.
import assert from 'node:assert/strict';
import { AzureOpenAiEmbeddingClient } from '@sap-ai-sdk/foundation-models';
import {
  buildAzureContentSafetyFilter,
  buildDpiMaskingProvider,
  buildLlamaGuard38BFilter,
  buildTranslationConfig,
  OrchestrationClient,
  OrchestrationEmbeddingClient
} from '@sap-ai-sdk/orchestration';

const model = process.argv[2];
const hub = { resourceGroup: 'hub' };
const promptTemplating = (text, name = model) => ({
  model: { name },
  prompt: { template: [{ role: 'user', content: text }] }
});
const client = (text, around) => new OrchestrationClient({ promptTemplating: promptTemplating(text), ...around }, hub);
const isRefused = error => /400/.test(`${error} ${error.cause}`);

async function streamed(text, around, options) {
  const stream = await client(text, around).stream(undefined, undefined, options);
  let said = '';
  for await (const chunk of stream.stream) {
    said += chunk.getDeltaContent() ?? '';
  }
  return { said, reason: stream.getFinishReason() };
}

// Filters of the prompt.
const inputFilter = {
  filtering: {
    input: {
      filters: [
        buildAzureContentSafetyFilter('input', { hate: 'ALLOW_SAFE', violence: 'ALLOW_SAFE_LOW', prompt_shield: true }),
        buildLlamaGuard38BFilter('input', ['violent_crimes'])
      ]
    }
  }
};
const passed = await client('Repeat the word plum-4711 severity:violence=2', inputFilter).chatCompletion();
assert.match(passed.getContent(), /plum-4711/);
assert.equal(passed.getIntermediateResults().input_filtering.data.azure_content_safety.Violence, 2);
for (const text of ['severity:hate=2', 'severity:violence=4', 'attack-on-instructions', 'category:violent_crimes']) {
  await assert.rejects(client(text, inputFilter).chatCompletion(), isRefused);
  await assert.rejects(streamed(text, inputFilter), isRefused);
}

// Filters of the answer.
const outputFilter = {
  filtering: {
    output: { filters: [buildAzureContentSafetyFilter('output', { violence: 'ALLOW_SAFE', protected_material_code: true })] }
  }
};
const filtered = await client('severity:violence=6', outputFilter).chatCompletion();
assert.equal(filtered.getFinishReason(), 'content_filter');
assert.throws(() => filtered.getContent(), /output filter/);
const cut = await streamed('word '.repeat(30) + 'protected-code and more', outputFilter, {
  promptTemplating: { include_usage: true },
  outputFiltering: { overlap: 40 },
  global: { chunk_size: 40 }
});
assert.match(cut.said, /word/);
assert.doesNotMatch(cut.said, /protected-code/);
assert.equal(cut.reason, 'content_filter');

// Masking, one way and both ways.
const letter = 'Write to ann@example.com or bob@example.com, call +49 170 1234567.';
const masking = method => ({
  masking: {
    providers: [
      buildDpiMaskingProvider({ method, entities: ['profile-email', 'profile-phone'], allowlist: ['bob@example.com'] })
    ]
  }
});
const anonymous = await client(letter, masking('anonymization')).chatCompletion();
assert.match(anonymous.getContent(), /Write to MASKED_EMAIL or bob@example\.com, call MASKED_PHONE\./);
const pseudonymous = await client(letter, masking('pseudonymization')).chatCompletion();
assert.ok(pseudonymous.getContent().includes(letter));
assert.match(pseudonymous.getIntermediateResults().llm.choices[0].message.content, /MASKED_EMAIL_1/);
assert.ok((await streamed(letter, masking('pseudonymization'))).said.includes(letter));

// Translation changes no text here, but its configuration is read.
const translated = await client('Repeat the word plum-4711', {
  translation: {
    input: buildTranslationConfig('input', { sourceLanguage: 'de-DE', targetLanguage: 'en-US' }),
    output: buildTranslationConfig('output', { sourceLanguage: 'en-US', targetLanguage: 'de-DE' })
  }
}).chatCompletion();
assert.match(translated.getContent(), /plum-4711/);

// The second model answers where nobody has the first.
const fallback = new OrchestrationClient(
  ['no-such-model', model].map(name => ({ promptTemplating: promptTemplating('Repeat the word plum-4711', name) })),
  hub
);
const second = await fallback.chatCompletion();
assert.match(second.getContent(), /plum-4711/);
assert.equal(second.getIntermediateFailures().length, 1);

const name = 'text-embedding-3-small';
const embedded = await new OrchestrationEmbeddingClient(
  { embeddings: { model: { name, params: { dimensions: 256 } } } },
  hub
).embed({ input: ['früh – 李 – 🙂', 'plum'], type: 'query' });
assert.deepEqual(embedded.getEmbeddings().map(vector => vector.embedding.length), [256, 256]);
assert.ok(embedded.getTokenUsage().prompt_tokens > 0);

const direct = await new AzureOpenAiEmbeddingClient({ modelName: name, ...hub }).run({ input: ['früh – 李 – 🙂', 'plum'] });
assert.deepEqual(direct.getEmbeddings().map(vector => vector.length), [1536, 1536]);
console.log('ok');
