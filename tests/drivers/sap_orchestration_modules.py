"""SAP's own Python orchestration client, unchanged, against the simulator: the modules around the prompt, and embeddings.

Usage: sap_orchestration_modules.py MODEL; the credentials are in AICORE_CLIENT_ID and so on. Ends with a failed assertion or `ok`.
"""

import asyncio
import sys

from gen_ai_hub.orchestration_v2 import (
    AzureContentSafetyInput,
    AzureContentSafetyInputFilterConfig,
    AzureContentSafetyOutput,
    AzureContentSafetyOutputFilterConfig,
    AzureThreshold,
    CacheControl,
    DPIMethodConstant,
    DPIStandardEntity,
    EmbeddingsInput,
    EmbeddingsInputType,
    EmbeddingsModelConfig,
    EmbeddingsModelDetails,
    EmbeddingsModelParams,
    EmbeddingsModuleConfigs,
    EmbeddingsOrchestrationConfig,
    FilteringModuleConfig,
    FilteringStreamOptions,
    GlobalStreamOptions,
    InputFiltering,
    LlamaGuard38bFilter,
    LlamaGuard38bFilterConfig,
    LLMModelDetails,
    MaskingMethod,
    MaskingModuleConfig,
    MaskingProviderConfig,
    ModuleConfig,
    OrchestrationConfig,
    OrchestrationError,
    OrchestrationErrorList,
    OrchestrationService,
    OutputFiltering,
    ProfileEntity,
    PromptTemplatingModuleConfig,
    SAPDocumentTranslationInput,
    SAPDocumentTranslationOutput,
    Template,
    TextPart,
    TranslationConfig,
    TranslationModuleConfig,
    UserMessage,
)

model = sys.argv[1]
service = OrchestrationService()


def modules(text, name=model, **around):
    prompt = Template(template=[UserMessage(content=text)])
    return ModuleConfig(
        prompt_templating=PromptTemplatingModuleConfig(prompt=prompt, model=LLMModelDetails(name=name)), **around
    )


def run(text, **around):
    return service.run(config=OrchestrationConfig(modules=modules(text, **around)))


def stream(text, chunk_size=10, **around):
    streaming = GlobalStreamOptions(enabled=True, chunk_size=chunk_size)
    yield from service.stream(config=OrchestrationConfig(modules=modules(text, **around), stream=streaming))


def said(answer):
    return answer.final_result.choices[0].message.content


def refused(call):
    try:
        call()
    except OrchestrationError as error:
        assert error.code == 400, error
        return error
    raise AssertionError("the input filter let it through")


def input_filter():
    none = AzureThreshold.ALLOW_SAFE
    azure = AzureContentSafetyInput(hate=none, sexual=none, self_harm=none, violence=2, prompt_shield=True)
    guard = LlamaGuard38bFilter(violent_crimes=True, hate=True)
    filters = [AzureContentSafetyInputFilterConfig(config=azure), LlamaGuard38bFilterConfig(config=guard)]
    filtering = FilteringModuleConfig(input=InputFiltering(filters=filters))

    answer = run("Repeat the word plum-4711 severity:violence=2", filtering=filtering)
    assert "plum-4711" in said(answer), answer
    found = answer.intermediate_results.input_filtering.data
    assert found["azure_content_safety"]["Violence"] == 2, found
    assert found["llama_guard_3_8b"]["violent_crimes"] is False, found

    for text in ["severity:hate=2", "severity:violence=4", "attack-on-instructions", "category:violent_crimes"]:
        for call in [lambda: run(text, filtering=filtering), lambda: list(stream(text, filtering=filtering))]:
            error = refused(call)
            assert "Input Filter" in error.location and "Prompt filtered" in error.message, error


def output_filter():
    azure = AzureContentSafetyOutput(violence=0, protected_material_code=True)
    sides = OutputFiltering(
        filters=[AzureContentSafetyOutputFilterConfig(config=azure)], stream_options=FilteringStreamOptions(overlap=40)
    )
    filtering = FilteringModuleConfig(output=sides)

    choice = run("Repeat severity:violence=6", filtering=filtering).final_result.choices[0]
    assert choice.finish_reason == "content_filter" and choice.message.content == "", choice
    assert run("plum-4711", filtering=filtering).final_result.choices[0].finish_reason == "stop"

    text, reason = "", None
    for chunk in stream("word " * 30 + "protected-code and more", chunk_size=40, filtering=filtering):
        for streamed in chunk.final_result.choices:
            text += streamed.delta.content or ""
            reason = streamed.finish_reason or reason
    assert "word" in text and "protected-code" not in text, text
    assert reason == "content_filter", reason


def masking():
    text = "Write to ann@example.com or bob@example.com, call +49 170 1234567."

    def module(method, *entities):
        provider = MaskingProviderConfig(method=method, entities=list(entities), allowlist=["bob@example.com"])
        return MaskingModuleConfig(providers=[provider])

    email = DPIStandardEntity(type=ProfileEntity.EMAIL)
    phone = DPIStandardEntity(type=ProfileEntity.PHONE)

    answer = run(text, masking=module(MaskingMethod.ANONYMIZATION, email, phone))
    assert "Write to MASKED_EMAIL or bob@example.com, call MASKED_PHONE." in said(answer), answer
    assert "ann@" not in answer.intermediate_results.input_masking.data["masked_template"], answer

    # The model never saw what the answer has again.
    pseudonyms = module(MaskingMethod.PSEUDONYMIZATION, email, phone)
    answer = run(text, masking=pseudonyms)
    assert text in said(answer), answer
    assert "MASKED_EMAIL_1" in answer.intermediate_results.llm.choices[0].message.content, answer
    assert answer.intermediate_results.output_unmasking[0].message.content == said(answer), answer

    streamed = ""
    for chunk in stream(text, masking=pseudonyms):
        streamed += "".join(choice.delta.content or "" for choice in chunk.final_result.choices)
    assert text in streamed, streamed

    named = DPIStandardEntity(
        type=ProfileEntity.EMAIL, replacement_strategy=DPIMethodConstant(value="NAME_OF_A_FRUIT")
    )
    assert "NAME_OF_A_FRUIT_1" in said(run(text, masking=module(MaskingMethod.ANONYMIZATION, named)))


def everything_at_once():
    """A request with all modules that have a configuration of their own."""
    azure = AzureContentSafetyInput(hate=0)
    translation = TranslationModuleConfig(
        input=SAPDocumentTranslationInput(config=TranslationConfig(source_language="de-DE", target_language="en-US")),
        output=SAPDocumentTranslationOutput(config=TranslationConfig(target_language="de-DE")),
    )
    answer = run(
        "Repeat the word plum-4711",
        filtering=FilteringModuleConfig(
            input=InputFiltering(filters=[AzureContentSafetyInputFilterConfig(config=azure)])
        ),
        masking=MaskingModuleConfig(
            providers=[
                MaskingProviderConfig(
                    method=MaskingMethod.ANONYMIZATION, entities=[DPIStandardEntity(type=ProfileEntity.PERSON)]
                )
            ]
        ),
        translation=translation,
    )
    assert "plum-4711" in said(answer), answer


def fallbacks():
    def config(*names):
        return OrchestrationConfig(modules=[modules("Repeat the word plum-4711", name=name) for name in names])

    answer = service.run(config=config("no-such-model", model))
    assert "plum-4711" in said(answer), answer
    assert len(answer.intermediate_failures) == 1, answer.intermediate_failures
    try:
        service.run(config=config("no-such-model", "nor-this-one"))
    except OrchestrationErrorList as errors:
        assert [error.code for error in errors.errors] == [400, 400], errors.errors
    else:
        raise AssertionError("models that nobody has were taken")


def prompt_cache():
    """A marked prompt is read from the cache the second time."""
    part = TextPart(text="Repeat the word plum-4711. " * 400, cache_control=CacheControl(type="ephemeral"))
    read = [run([part]).final_result.usage.prompt_tokens_details.cached_tokens or 0 for _ in range(2)]
    assert read[0] == 0 and read[1] > 0, read


async def asynchronously():
    answer = await service.arun(config=OrchestrationConfig(modules=modules("Repeat the word plum-4711")))
    assert "plum-4711" in said(answer), answer
    config = OrchestrationConfig(
        modules=modules("Repeat the word plum-4712"), stream=GlobalStreamOptions(enabled=True, chunk_size=5)
    )
    text = ""
    async for chunk in await service.astream(config=config):
        text += "".join(choice.delta.content or "" for choice in chunk.final_result.choices)
    assert "plum-4712" in text, text


def embeddings():
    def config(params=None, **around):
        details = EmbeddingsModelDetails(name="text-embedding-3-small", params=params)
        return EmbeddingsOrchestrationConfig(
            modules=EmbeddingsModuleConfigs(embeddings=EmbeddingsModelConfig(model=details), **around)
        )

    answer = service.embed(config=config(), input=EmbeddingsInput(text=["früh – 李 – 🙂", "plum"]))
    assert [len(vector.embedding) for vector in answer.final_result.data] == [1536, 1536], answer
    assert answer.final_result.usage.prompt_tokens > 0, answer
    short = EmbeddingsModelParams(dimensions=256)
    query = EmbeddingsInput(text="plum", type=EmbeddingsInputType.QUERY)
    assert [len(vector.embedding) for vector in service.embed(config(short), query).final_result.data] == [256]


input_filter()
output_filter()
masking()
everything_at_once()
fallbacks()
# Others cache by themselves and take no marks.
if model.startswith("anthropic--"):
    prompt_cache()
asyncio.run(asynchronously())
embeddings()
print("ok")
