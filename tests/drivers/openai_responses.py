"""OpenAI's Responses with the Python `openai` SDK through Coretap: stream, tools, images, structured output, reasoning, kept answers.

Usage: openai_responses.py CORETAP KEY MODEL SIMULATOR MODE. Ends with a failed assertion or `ok`.
"""

import base64
import json
import sys

import openai
import pydantic

from simulator import PNG, faults, no_faults

address, key, model, simulator, mode = sys.argv[1:6]
client = openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)
WORDS = "früh – 李 – 🙂 plum-4712"
PICTURE = "data:image/png;base64," + base64.b64encode(PNG).decode()
# Only Azure's own /responses keeps answers.
KEEPS = mode == "Foundation" and model.startswith("gpt-5")
THINKS = KEEPS or "claude" in model
READ_FILE = {
    "type": "function",
    "name": "read_file",
    "description": "Reads a text file",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    "strict": False,
}


class Weight(pydantic.BaseModel):
    fruit: str
    grams: int


def refused(exception, call):
    try:
        call()
    except exception as error:
        return error
    raise AssertionError(f"{exception.__name__} was expected")


def ask(content, **more):
    return client.responses.create(model=model, input=[{"role": "user", "content": content}], **more)


def calls_of(response):
    return [item for item in response.output if item.type == "function_call"]


def results_of(calls):
    """What the agent sends back: an item for each call."""
    paths = [json.loads(call.arguments)["path"] for call in calls]
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{path} weighs 93 grams"}
        for call, path in zip(calls, paths)
    ]


def plain():
    answer = client.responses.create(model=model, instructions="Be brief.", input="Repeat the word plum-4711")
    assert "plum-4711" in answer.output_text, answer
    assert answer.id.startswith("resp_") and answer.object == "response", answer
    assert answer.model == model and answer.status == "completed", answer
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer.usage
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens, answer.usage
    conversation = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Repeat the word plum-4712"},
    ]
    assert "plum-4712" in client.responses.create(model=model, input=conversation).output_text


def stream():
    text, numbers, kinds = "", [], []
    for event in ask(f"Repeat the words {WORDS}", stream=True):
        numbers.append(event.sequence_number)
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    assert WORDS in text, text
    assert numbers == list(range(len(numbers))), numbers
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert event.response.output_text == text and event.response.usage.output_tokens > 0, event
    # The SDK's helper puts the answer together from the events alone.
    with client.responses.stream(model=model, input=f"Repeat the words {WORDS}") as events:
        pieces = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        final = events.get_final_response()
    assert WORDS in pieces and final.output_text == pieces, final


def tools(streamed):
    def turn(items):
        request = {"model": model, "input": items, "tools": [READ_FILE], "store": False}
        request["include"] = ["reasoning.encrypted_content"]
        if not streamed:
            return client.responses.create(**request)
        with client.responses.stream(**request) as events:
            return events.get_final_response()

    items = [{"role": "user", "content": "Read the files plum.txt and pear.txt"}]
    asked = turn(items)
    calls = calls_of(asked)
    assert len(calls) == 2 and len({call.call_id for call in calls}) == 2, asked
    results = results_of(calls)
    paths = {result["output"].split(" ")[0].rsplit("/", 1)[-1] for result in results}
    assert paths == {"plum.txt", "pear.txt"}, results
    # As every example does it: the answer's items go back as they came.
    sent = [item.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for item in asked.output]
    answered = turn(items + sent + results)
    for result in results:
        assert result["output"] in answered.output_text, answered


def one_tool_at_a_time():
    asked = ask(
        "Read the files plum.txt and pear.txt", tools=[READ_FILE], tool_choice="required", parallel_tool_calls=False
    )
    assert len(calls_of(asked)) == 1, asked


def images():
    picture = {"type": "input_image", "image_url": PICTURE, "detail": "auto"}
    answer = ask([picture, {"type": "input_text", "text": "What do you see?"}])
    assert "image/png" in answer.output_text and "8x8" in answer.output_text, answer
    items = [
        {"role": "user", "content": "Read the file plum.png"},
        {"type": "function_call", "call_id": "call_1", "name": "read_file", "arguments": '{"path":"plum.png"}'},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [{"type": "input_text", "text": "a picture"}, picture],
        },
    ]
    answer = client.responses.create(model=model, input=items, tools=[READ_FILE])
    assert "image/png" in answer.output_text and "8x8" in answer.output_text, answer


def structured_output():
    answer = client.responses.parse(model=model, input="How heavy is it?", text_format=Weight)
    assert isinstance(answer.output_parsed, Weight), answer


def reasoning():
    """What it thought comes first, sealed, and goes back as it came."""
    request = {
        "model": model,
        "tools": [READ_FILE],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "medium", "summary": "auto"},
    }
    items = [{"role": "user", "content": "Read the file plum.txt"}]
    with client.responses.stream(input=items, **request) as events:
        asked = events.get_final_response()
    thought = asked.output[0]
    assert thought.type == "reasoning" and thought.encrypted_content, asked
    assert thought.summary and thought.summary[0].text, asked
    sent = [item.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for item in asked.output]
    answered = client.responses.create(input=items + sent + results_of(calls_of(asked)), **request)
    assert "plum.txt weighs 93 grams" in answered.output_text, answered


def kept():
    first = ask("Read the file plum.txt", tools=[READ_FILE], store=True)
    results = results_of(calls_of(first))
    request = {"model": model, "input": results, "tools": [READ_FILE], "previous_response_id": first.id}
    if not KEEPS:
        error = refused(openai.BadRequestError, lambda: client.responses.create(**request))
        assert error.param == "previous_response_id" and model in error.message, error.body
        refused(openai.NotFoundError, lambda: client.responses.retrieve(first.id))
        return
    second = client.responses.create(**request)
    assert "plum.txt weighs 93 grams" in second.output_text, second
    assert second.previous_response_id == first.id, second
    assert client.responses.retrieve(second.id).output_text == second.output_text
    listed = client.responses.input_items.list(first.id)
    assert [item.type for item in listed] == ["message"], listed
    client.responses.delete(second.id)
    refused(openai.NotFoundError, lambda: client.responses.retrieve(second.id))
    unknown = {**request, "previous_response_id": "resp_unknown"}
    refused(openai.APIStatusError, lambda: client.responses.create(**unknown))


def errors():
    stranger = openai.OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0)
    error = refused(openai.AuthenticationError, lambda: stranger.responses.create(model=model, input="Hi"))
    assert error.response.headers["x-should-retry"] == "false", error.response.headers

    error = refused(openai.NotFoundError, lambda: client.responses.create(model="no-such-model", input="Hi"))
    assert error.code.startswith("ROUTE-") and "no-such-model" in error.message, error.body

    faults(simulator, [{"route": "inference", "fault": "status", "status": 400, "text": "plum: Input should be ripe"}])
    error = refused(openai.BadRequestError, lambda: ask("Hi"))
    assert "plum: Input should be ripe" in error.message, error.message

    faults(simulator, [{"route": "inference", "fault": "status", "status": 429, "retry_after": 37, "times": 9}])
    error = refused(openai.RateLimitError, lambda: ask("Hi"))
    assert error.response.headers["retry-after"] == "37", error.response.headers
    no_faults(simulator)
    plain()


plain()
stream()
tools(streamed=False)
tools(streamed=True)
one_tool_at_a_time()
images()
structured_output()
if THINKS:
    reasoning()
kept()
errors()
print("ok")
