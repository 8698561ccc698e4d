"""What a server of some version can take: architectures, quants to make, safetensors to convert.

Sources: ollama v0.24.0, model/models (its own engine), llama/llama.cpp/src/llama-arch.cpp, fs/ggml/type.go and
convert/convert.go; from 0.30 on every GGUF runs in llama.cpp's server, and shards are joined.
"""

from __future__ import annotations

from kdmgr.engines.ollama.versions import era
from kdmgr.gguf.architectures import RULES

QUANTS = ("Q4_K_M", "Q4_K_S", "Q8_0", "F16", "BF16", "F32")
"""The same in every era; Q4_K means Q4_K_M."""
UNQUANTISED = ("F16", "BF16", "F32")

_IN_024 = (
    "afmoe apertus arcee arctic arwkv7 baichuan bailingmoe bailingmoe2 bert bitnet bloom chameleon chatglm codeshell "
    "cogvlm cohere2 command-r dbrx deci deepseek deepseek2 deepseekocr dots1 dream ernie4_5 ernie4_5-moe exaone "
    "exaone4 falcon falcon-h1 gemma gemma-embedding gemma2 gemma3 gemma3n gemma4 glm4 glm4moe glm4moelite glmocr "
    "gpt-oss gpt2 gptj gptneox gptoss granite granitehybrid granitemoe grok grovemoe hunyuan-dense hunyuan-moe "
    "internlm2 jais jamba jina-bert-v2 jina-bert-v3 laguna lfm2 lfm2moe llada llada-moe llama llama4 mamba mamba2 "
    "minicpm minicpm3 minimax-m2 mistral3 mllama mpt nemotron nemotron_h nemotron_h_moe nemotron_h_omni neo-bert "
    "nomic-bert nomic-bert-moe olmo olmo2 olmo3 olmoe openelm orion pangu-embedded phi2 phi3 phimoe plamo plamo2 plm "
    "qwen qwen2 qwen25vl qwen2moe qwen2vl qwen3 qwen35 qwen35moe qwen3moe qwen3next qwen3vl qwen3vlmoe refact rnd1 "
    "rwkv6 rwkv6qwen2 rwkv7 seed_oss smallthinker smollm3 solar stablelm starcoder starcoder2 t5 t5encoder xverse"
)
_CONVERTED = (
    "LlamaForCausalLM MllamaForConditionalGeneration Llama4ForConditionalGeneration Mistral3ForConditionalGeneration "
    "Ministral3ForCausalLM MixtralForCausalLM GemmaForCausalLM Gemma2ForCausalLM Gemma3ForCausalLM "
    "Gemma3ForConditionalGeneration Gemma3nForConditionalGeneration Gemma4ForCausalLM Gemma4ForConditionalGeneration "
    "Phi3ForCausalLM Qwen2ForCausalLM Qwen2_5_VLForConditionalGeneration Qwen3VLForConditionalGeneration "
    "Qwen3VLMoeForConditionalGeneration Olmo3ForCausalLM BertModel NomicBertModel NomicBertMoEModel CohereForCausalLM "
    "GptOssForCausalLM DeepseekOCRForCausalLM DeepseekV3ForCausalLM Glm4MoeLiteForCausalLM LagunaForCausalLM "
    "GlmOcrForConditionalGeneration Lfm2ForCausalLM Lfm2MoeForCausalLM Lfm2VlForConditionalGeneration "
    "Qwen3NextForCausalLM Qwen3_5ForConditionalGeneration Qwen3_5MoeForConditionalGeneration NemotronH_Nano_VL_V2 "
    "NemotronH_Nano_Omni_Reasoning_V3 NemotronHForCausalLM"
)
ADAPTED = ("llama", "gemma2")
"""Architectures of a base whose safetensors adapters are converted."""


def runs(architecture: str, version: str | None) -> bool | None:
    """Whether a server of `version` runs GGUFs of `architecture`; None where nobody can tell before trying."""
    age, known = era(version), architecture in _IN_024.split()
    if age == "C":
        return True if known or architecture in RULES else None
    if age is None:
        return True if known else None  # a build of somebody's own, most likely no old one
    # What the last of the old servers lacks, the older ones lack too; of what it has, they may.
    return (True if age == "B2" else None) if known else False


def converts(architecture: str, version: str | None) -> bool | None:
    """Whether a folder whose config.json names `architecture` is converted; None for what newer servers may do."""
    if architecture in _CONVERTED.split():
        return True
    return None if era(version) in ("C", None) else False


def joins_shards(version: str | None) -> bool | None:
    """Whether a model may be sent in shards; None for a build without a version."""
    age = era(version)
    return None if age is None else age == "C"


def quant_to_make(name: str) -> str | None:
    """The quant that a server makes for `name`; None for one that it does not."""
    upper = name.upper()
    return "Q4_K_M" if upper == "Q4_K" else upper if upper in QUANTS else None
