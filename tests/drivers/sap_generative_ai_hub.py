"""SAP's own Python SDK, unchanged, against the simulator: orchestration, Azure OpenAI and Bedrock; chat, stream and tools.

Usage: sap_generative_ai_hub.py; the credentials are in AICORE_CLIENT_ID and so on. Ends with a failed assertion or `ok`.
"""

import json

from gen_ai_hub.orchestration_v2 import (
    GlobalStreamOptions,
    LLMModelDetails,
    ModuleConfig,
    OrchestrationConfig,
    OrchestrationError,
    OrchestrationService,
    PromptTemplatingModuleConfig,
    SystemMessage,
    Template,
    ToolChatMessage,
    UserMessage,
)
from gen_ai_hub.proxy.native.amazon.clients import Session
from gen_ai_hub.proxy.native.openai import chat

READ_FILE = {
    "name": "read_file",
    "description": "Reads a text file",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
WORDS = "früh – 李 – 🙂 plum-4712"


def orchestration(model):
    def config(template, tools=None, stream=False):
        prompt = PromptTemplatingModuleConfig(
            prompt=Template(template=template, tools=tools), model=LLMModelDetails(name=model)
        )
        stream = GlobalStreamOptions(enabled=True) if stream else None
        return OrchestrationConfig(modules=ModuleConfig(prompt_templating=prompt), stream=stream)

    service = OrchestrationService()
    system = SystemMessage(content="You answer about {{?topic}}.")

    answer = service.run(
        config=config([system, UserMessage(content="Repeat the word plum-4711")]), placeholder_values={"topic": "fruit"}
    )
    choice = answer.final_result.choices[0]
    assert "plum-4711" in choice.message.content, choice
    assert choice.finish_reason == "stop", choice
    assert answer.final_result.usage.prompt_tokens > 0

    text = ""
    for chunk in service.stream(
        config=config([system, UserMessage(content=f"Repeat the words {WORDS}")], stream=True),
        placeholder_values={"topic": "fruit"},
    ):
        for streamed in chunk.final_result.choices:
            text += streamed.delta.content or ""
    assert WORDS in text, text

    tools = [{"type": "function", "function": READ_FILE}]
    question = UserMessage(content="Read the file plum.txt")
    asked = service.run(config=config([question], tools)).final_result.choices[0]
    assert asked.finish_reason == "tool_calls", asked
    call = asked.message.tool_calls[0]
    assert call.function.parse_arguments()["path"].endswith("plum.txt"), call
    answered = service.run(
        config=config(
            [asked.message, ToolChatMessage(tool_call_id=call.id, content="the plum weighs 93 grams")], tools
        ),
        history=[question],
    )
    assert "the plum weighs 93 grams" in answered.final_result.choices[0].message.content, answered

    try:
        service.run(config=config([UserMessage(content="{{?nobody_gives_this}}")]))
    except OrchestrationError as error:
        assert "nobody_gives_this" in str(error), error
    else:
        raise AssertionError("a placeholder without a value was taken")


def azure_openai(model):
    messages = [{"role": "user", "content": "Repeat the word plum-4711"}]
    answer = chat.completions.create(model_name=model, messages=messages)
    assert "plum-4711" in answer.choices[0].message.content, answer

    stream = chat.completions.create(
        model_name=model, messages=[{"role": "user", "content": f"Repeat the words {WORDS}"}], stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert WORDS in text, text

    tools = [{"type": "function", "function": READ_FILE}]
    messages = [{"role": "user", "content": "Read the file plum.txt"}]
    asked = chat.completions.create(model_name=model, messages=messages, tools=tools).choices[0].message
    call = asked.tool_calls[0]
    assert json.loads(call.function.arguments)["path"].endswith("plum.txt"), call
    messages += [asked, {"role": "tool", "tool_call_id": call.id, "content": "the plum weighs 93 grams"}]
    answered = chat.completions.create(model_name=model, messages=messages, tools=tools)
    assert "the plum weighs 93 grams" in answered.choices[0].message.content, answered


def bedrock(model):
    client = Session().client(model_name=model)

    def body(messages, **more):
        return json.dumps(
            {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 512, "messages": messages, **more}
        )

    def invoke(messages, **more):
        return json.loads(client.invoke_model(body=body(messages, **more))["body"].read())

    answer = invoke([{"role": "user", "content": "Repeat the word plum-4711"}])
    assert "plum-4711" in answer["content"][0]["text"], answer
    assert answer["stop_reason"] == "end_turn", answer

    # boto3 asks for the binary event stream.
    stream = client.invoke_model_with_response_stream(
        body=body([{"role": "user", "content": f"Repeat the words {WORDS}"}])
    )
    events = [json.loads(event["chunk"]["bytes"]) for event in stream["body"]]
    text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    assert WORDS in text, text
    assert events[-1]["type"] == "message_stop", events[-1]

    tools = [
        {"name": "read_file", "description": READ_FILE["description"], "input_schema": READ_FILE["parameters"]}
    ]
    messages = [{"role": "user", "content": "Read the file plum.txt"}]
    asked = invoke(messages, tools=tools)
    assert asked["stop_reason"] == "tool_use", asked
    call = next(block for block in asked["content"] if block["type"] == "tool_use")
    assert call["input"]["path"].endswith("plum.txt"), call
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "the plum weighs 93 grams"}
    messages += [{"role": "assistant", "content": asked["content"]}, {"role": "user", "content": [result]}]
    answered = invoke(messages, tools=tools)
    assert "the plum weighs 93 grams" in answered["content"][0]["text"], answered


orchestration("gpt-4o")
orchestration("anthropic--claude-4.5-sonnet")
azure_openai("gpt-4o")
bedrock("anthropic--claude-4.5-sonnet")
print("ok")
