"""The vendors' own clients as SAP's Python SDK wraps them, unchanged, against the simulator's resource group `hub`.

`openai` (chat, Responses, embeddings; Azure, Mistral, Perplexity, Cohere and NVIDIA), `google-genai` and `boto3` (Nova, Claude, Titan).
Usage: sap_native_clients.py openai|google|bedrock; the credentials are in AICORE_CLIENT_ID and so on. Ends with a failed assertion or `ok`.
"""

import asyncio
import json
import sys

import pydantic

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ_FILE = {"name": "read_file", "description": "Reads a text file", "parameters": SCHEMA}
ECHO = "Repeat the word plum-4711"
WORDS = "früh – 李 – 🙂 plum-4712"
QUESTION = "Read the file plum.txt"
RESULT = "the plum weighs 93 grams"


class Weight(pydantic.BaseModel):
    fruit: str
    grams: int


# --- openai


def openai_chat(model, tools_too=True):
    from gen_ai_hub.proxy.native.openai import chat

    def ask(messages, **more):
        return chat.completions.create(model_name=model, messages=messages, **more)

    answer = ask([{"role": "system", "content": "Be brief."}, {"role": "user", "content": ECHO}])
    assert "plum-4711" in answer.choices[0].message.content, answer
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.prompt_tokens > 0, answer

    text = ""
    for chunk in ask([{"role": "user", "content": f"Repeat the words {WORDS}"}], stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
    assert WORDS in text, text

    if tools_too:
        tools = [{"type": "function", "function": READ_FILE}]
        messages = [{"role": "user", "content": QUESTION}]
        asked = ask(messages, tools=tools).choices[0]
        assert asked.finish_reason == "tool_calls", asked
        call = asked.message.tool_calls[0]
        assert json.loads(call.function.arguments)["path"].endswith("plum.txt"), call
        result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
        # The message goes back in the SDK's own type, as people write it.
        answered = ask([*messages, asked.message, result], tools=tools)
        assert RESULT in answered.choices[0].message.content, answered


def openai_structured_output(model):
    from gen_ai_hub.proxy.native.openai import chat

    messages = [{"role": "user", "content": "How heavy is it?"}]
    answer = chat.completions.parse(model_name=model, messages=messages, response_format=Weight)
    assert isinstance(answer.choices[0].message.parsed, Weight), answer


async def openai_asynchronously(model):
    from gen_ai_hub.proxy.native.openai import AsyncOpenAI

    client = AsyncOpenAI()
    stream = await client.chat.completions.create(
        model_name=model, messages=[{"role": "user", "content": f"Repeat the words {WORDS}"}], stream=True
    )
    text = ""
    async for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
    assert WORDS in text, text


def openai_responses(model):
    from gen_ai_hub.proxy.native.openai import responses

    answer = responses.create(model_name=model, instructions="Be brief.", input=ECHO)
    assert answer.status == "completed" and "plum-4711" in answer.output_text, answer

    follow_up = responses.create(model_name=model, input=ECHO, previous_response_id=answer.id)
    assert follow_up.previous_response_id == answer.id, follow_up

    text, last = "", None
    for event in responses.create(model_name=model, input=f"Repeat the words {WORDS}", stream=True):
        text += event.delta if event.type == "response.output_text.delta" else ""
        last = event
    assert WORDS in text, text
    assert last.type == "response.completed", last

    tools = [{"type": "function", **READ_FILE}]
    asked = responses.create(model_name=model, input=QUESTION, tools=tools)
    call = next(item for item in asked.output if item.type == "function_call")
    assert json.loads(call.arguments)["path"].endswith("plum.txt"), call
    output = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    answered = responses.create(model_name=model, input=[output], tools=tools, previous_response_id=asked.id)
    assert RESULT in answered.output_text, answered

    parsed = responses.parse(model_name=model, input="How heavy is it?", text_format=Weight)
    assert isinstance(parsed.output_parsed, Weight), parsed


def cohere_chat(model):
    """SAP's SDK sends Cohere what OpenAI's client writes and hands on what Cohere answers."""
    from gen_ai_hub.proxy.native.openai import chat

    answer = chat.completions.create(model_name=model, messages=[{"role": "user", "content": ECHO}], max_tokens=512)
    content = answer.model_extra["message"]["content"]
    assert any("plum-4711" in part.get("text", "") for part in content), answer
    assert answer.model_extra["finish_reason"] == "COMPLETE", answer


def openai_embeddings(model, size, **more):
    from gen_ai_hub.proxy.native.openai import embeddings

    vectors = embeddings.create(model_name=model, input=["früh – 李 – 🙂", "plum"], **more)
    assert [len(vector.embedding) for vector in vectors.data] == [size, size], vectors
    assert all(isinstance(number, float) for number in vectors.data[0].embedding), vectors
    alone = embeddings.create(model_name=model, input="plum", **more).data[0]
    assert max(abs(a - b) for a, b in zip(alone.embedding, vectors.data[1].embedding)) < 1e-6


def openai_clients():
    openai_chat("gpt-4o")
    openai_chat("gpt-5")
    openai_chat("mistralai--mistral-small")
    openai_chat("mistralai--mistral-medium-instruct")
    openai_chat("sonar", tools_too=False)
    openai_structured_output("gpt-4o")
    asyncio.run(openai_asynchronously("gpt-4o"))
    openai_responses("gpt-5.5")
    openai_responses("gpt-5.3-codex")
    cohere_chat("cohere--command-a-reasoning")
    openai_embeddings("text-embedding-3-small", 1536)
    openai_embeddings("text-embedding-3-small", 256, dimensions=256)
    openai_embeddings("nvidia--llama-3.2-nv-embedqa-1b", 2048, extra_body={"input_type": "query"})


# --- google-genai


def gemini(model):
    from gen_ai_hub.proxy.native.google_genai import Client
    from google.genai import types

    client = Client()

    def config(**more):
        off = types.AutomaticFunctionCallingConfig(disable=True)
        return types.GenerateContentConfig(automatic_function_calling=off, **more)

    def ask(contents, **more):
        return client.models.generate_content(model=model, contents=contents, config=config(**more))

    answer = ask(ECHO, system_instruction="Be brief.", temperature=0.2, max_output_tokens=2048)
    assert "plum-4711" in answer.text, answer
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP, answer
    assert answer.usage_metadata.prompt_token_count > 0, answer

    text, last = "", None
    for last in client.models.generate_content_stream(model=model, contents=f"Repeat the words {WORDS}"):
        text += last.text or ""
    assert WORDS in text, text
    assert last.candidates[0].finish_reason == types.FinishReason.STOP, last

    # A schema in Google's own form, then in JSON Schema's; the answer of the model goes back as it came.
    own = {"type": "OBJECT", "properties": {"path": {"type": "STRING"}}, "required": ["path"]}
    for schema in [{"parameters": own}, {"parameters_json_schema": SCHEMA}]:
        declaration = types.FunctionDeclaration(name="read_file", description="Reads a text file", **schema)
        tools = [types.Tool(function_declarations=[declaration])]
        question = types.Content(role="user", parts=[types.Part.from_text(text=QUESTION)])
        asked = ask([question], tools=tools)
        [call] = asked.function_calls
        assert call.args["path"].endswith("plum.txt"), call
        result = types.Part.from_function_response(name=call.name, response={"output": RESULT})
        contents = [question, asked.candidates[0].content, types.Content(role="user", parts=[result])]
        assert RESULT in ask(contents, tools=tools).text

    def read_file(path: str) -> str:
        """Reads a text file."""
        return f"{path}: {RESULT}"

    run = client.models.generate_content(
        model=model, contents=QUESTION, config=types.GenerateContentConfig(tools=[read_file])
    )
    assert RESULT in run.text, run

    answer = ask("How heavy is it?", response_mime_type="application/json", response_schema=Weight)
    assert isinstance(answer.parsed, Weight), answer

    wish = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    parts = ask(ECHO, thinking_config=wish).candidates[0].content.parts
    assert parts[0].thought and parts[0].text, parts

    assert client.models.count_tokens(model=model, contents="How many?").total_tokens >= 1


async def gemini_asynchronously(model):
    from gen_ai_hub.proxy.native.google_genai import Client

    text = ""
    stream = await Client().aio.models.generate_content_stream(model=model, contents=f"Repeat the words {WORDS}")
    async for chunk in stream:
        text += chunk.text or ""
    assert WORDS in text, text


def google_embeddings(model):
    from gen_ai_hub.proxy.native.google_genai import Client
    from google.genai import types

    client = Client()
    whole = client.models.embed_content(model=model, contents="früh – 李 – 🙂").embeddings
    assert [len(vector.values) for vector in whole] == [3072], whole
    config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=256, auto_truncate=True)
    short = client.models.embed_content(model=model, contents="plum", config=config).embeddings
    assert [len(vector.values) for vector in short] == [256], short
    assert short[0].statistics.token_count >= 1, short


def google_clients():
    gemini("gemini-2.5-flash")
    gemini("gemini-3.5-flash")
    asyncio.run(gemini_asynchronously("gemini-2.5-flash"))
    google_embeddings("gemini-embedding")


# --- boto3


def converse(model):
    from gen_ai_hub.proxy.native.amazon.clients import Session

    client = Session().client(model_name=model)

    def user(text):
        return {"role": "user", "content": [{"text": text}]}

    wish = {"maxTokens": 512, "temperature": 0.2}
    answer = client.converse(messages=[user(ECHO)], system=[{"text": "Be brief."}], inferenceConfig=wish)
    assert "plum-4711" in answer["output"]["message"]["content"][0]["text"], answer
    assert answer["stopReason"] == "end_turn" and answer["usage"]["inputTokens"] > 0, answer

    # boto3 asks for the binary event stream.
    text, last = "", None
    for event in client.converse_stream(messages=[user(f"Repeat the words {WORDS}")])["stream"]:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        last = event
    assert WORDS in text, text
    assert last["metadata"]["usage"]["outputTokens"] > 0, last

    schema = {"json": SCHEMA}
    tool = {"toolSpec": {"name": "read_file", "description": READ_FILE["description"], "inputSchema": schema}}
    tools = {"tools": [tool]}
    asked = client.converse(messages=[user(QUESTION)], toolConfig=tools)
    assert asked["stopReason"] == "tool_use", asked
    message = asked["output"]["message"]
    call = next(block["toolUse"] for block in message["content"] if "toolUse" in block)
    assert call["input"]["path"].endswith("plum.txt"), call

    streamed = ""
    for event in client.converse_stream(messages=[user(QUESTION)], toolConfig=tools)["stream"]:
        streamed += event.get("contentBlockDelta", {}).get("delta", {}).get("toolUse", {}).get("input", "")
    assert json.loads(streamed) == call["input"], streamed

    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": RESULT}]}}
    messages = [user(QUESTION), message, {"role": "user", "content": [result]}]
    answered = client.converse(messages=messages, toolConfig=tools)
    assert RESULT in answered["output"]["message"]["content"][0]["text"], answered

    client_error = client.exceptions.ClientError
    try:
        client.converse(messages=[user(" ")])
    except client_error as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error
    else:
        raise AssertionError("a blank text was taken")


async def converse_asynchronously(model):
    from gen_ai_hub.proxy.native.amazon.clients import AsyncSession

    client = await AsyncSession().async_client(model_name=model)
    question = {"role": "user", "content": [{"text": f"Repeat the words {WORDS}"}]}
    text = ""
    async for event in (await client.converse_stream(messages=[question]))["stream"]:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
    assert WORDS in text, text
    await client.close()


def claude(model):
    from gen_ai_hub.proxy.native.amazon.clients import Session

    client = Session().client(model_name=model)
    body = json.dumps(
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 512,
            "messages": [{"role": "user", "content": ECHO}],
        }
    )
    answer = json.loads(client.invoke_model(body=body)["body"].read())
    assert "plum-4711" in answer["content"][0]["text"], answer
    stream = client.invoke_model_with_response_stream(body=body)
    events = [json.loads(event["chunk"]["bytes"]) for event in stream["body"]]
    assert events[0]["type"] == "message_start" and events[-1]["type"] == "message_stop", events


def titan(model):
    from gen_ai_hub.proxy.native.amazon.clients import Session

    client = Session().client(model_name=model)

    def embed(**body):
        return json.loads(client.invoke_model(body=json.dumps(body))["body"].read())

    answer = embed(inputText="früh – 李 – 🙂")
    assert len(answer["embedding"]) == 1024 and answer["inputTextTokenCount"] > 0, answer
    assert len(embed(inputText="plum", dimensions=256, normalize=True)["embedding"]) == 256


def bedrock_clients():
    for model in ["amazon--nova-pro", "amazon--nova-micro", "anthropic--claude-4.5-sonnet"]:
        converse(model)
    asyncio.run(converse_asynchronously("amazon--nova-pro"))
    claude("anthropic--claude-4.6-opus")
    titan("amazon--titan-embed-text")


{"openai": openai_clients, "google": google_clients, "bedrock": bedrock_clients}[sys.argv[1]]()
print("ok")
