"""Exports a trained model as ONNX in the diffusers directory layout, with int8 weights.

    python export.py --work DIR --out scenes-v1 [--precision int8|fp32]

Inputs and outputs (B: batch, h x w: latent grid, 8 x 8 unless you ask for another aspect):
    text_encoder  input_ids (B, 24) int64                                        -> last_hidden_state (B, 24, 128)
    unet          sample (B, 16, h, w), timestep (1) or (B), encoder_hidden_states -> out_sample (B, 16, h, w), a v prediction
    vae_decoder   latent_sample (B, 16, h, w)                                    -> sample (B, 3, 32h, 32w), RGB in -1..1
"""
import argparse
import json
import os

import onnx
import torch
import torch.nn as nn
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

import model as M


def export(module, inputs, names, output, dynamic, path, precision):
    """Writes one graph; int8 keeps the weights of convolutions and matrix products as 8-bit integers."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    full = path if precision == "fp32" else path + ".fp32"
    torch.onnx.export(module.float().eval().to(memory_format=torch.contiguous_format), inputs, full, input_names=names,
                      output_names=[output], dynamic_axes=dynamic, opset_version=17, dynamo=False)
    graph = onnx.load(full)
    del graph.graph.value_info[:]
    onnx.save(graph, full)
    if precision == "int8":
        quantize_dynamic(full, path, weight_type=QuantType.QUInt8, op_types_to_quantize=["MatMul", "Gemm", "Conv"])
        os.remove(full)


def write_tokenizer(folder, vocabulary):
    """Word-level tokenizer in both forms: vocab.json and a tokenizer.json for the usual libraries."""
    os.makedirs(folder, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[a-z]+|[0-9]+|[^\sa-z0-9]"), "removed", invert=True)
    tokenizer.enable_truncation(M.TOKENS)
    tokenizer.enable_padding(length=M.TOKENS, pad_id=0, pad_token="<pad>")
    tokenizer.save(f"{folder}/tokenizer.json")
    write(f"{folder}/vocab.json", vocabulary)
    write(f"{folder}/tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True,
                                              "model_max_length": M.TOKENS, "pad_token": "<pad>", "unk_token": "<unk>"})


def write(path, value):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--precision", choices=["int8", "fp32"], default="int8")
    args = parser.parse_args()
    out, z, c = args.out, M.LATENT_CHANNELS, M.CONTEXT

    state = torch.load(f"{args.work}/unet.pt")
    vocabulary = state["vocabulary"]
    parts = nn.ModuleDict({"text": M.TextEncoder(len(vocabulary)), "unet": M.UNet()})
    parts.load_state_dict(state["ema"])
    decoder = M.Decoder()
    decoder.load_state_dict(torch.load(f"{args.work}/decoder.pt"))

    grid = lambda name: {name: {0: "batch", 2: "height", 3: "width"}}
    first = lambda name, axis="batch": {name: {0: axis}}
    export(parts["text"], (torch.zeros(1, M.TOKENS, dtype=torch.long),), ["input_ids"], "last_hidden_state",
           first("input_ids") | first("last_hidden_state"), f"{out}/text_encoder/model.onnx", args.precision)
    export(parts["unet"], (torch.randn(2, z, 8, 8), torch.tensor([5.]), torch.randn(2, M.TOKENS, c)),
           ["sample", "timestep", "encoder_hidden_states"], "out_sample",
           grid("sample") | first("timestep", "timesteps") | first("encoder_hidden_states") | grid("out_sample"),
           f"{out}/unet/model.onnx", args.precision)
    export(decoder, (torch.randn(1, z, 8, 8),), ["latent_sample"], "sample",
           grid("latent_sample") | grid("sample"), f"{out}/vae_decoder/model.onnx", args.precision)

    write_tokenizer(f"{out}/tokenizer", vocabulary)
    write(f"{out}/text_encoder/config.json", {"hidden_size": c, "vocab_size": len(vocabulary), "max_position_embeddings": M.TOKENS})
    write(f"{out}/unet/config.json", {"_class_name": "UNet2DConditionModel", "in_channels": z, "out_channels": z,
                                      "sample_size": 8, "cross_attention_dim": c})
    write(f"{out}/vae_decoder/config.json", {"_class_name": "AutoencoderKL", "latent_channels": z, "out_channels": 3,
                                             "sample_size": 256, "scaling_factor": 1.0, "scale": 32})
    write(f"{out}/scheduler/scheduler_config.json", {
        "_class_name": "DDIMScheduler", "num_train_timesteps": M.TRAIN_STEPS, "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "v_prediction", "clip_sample": False, "set_alpha_to_one": True, "timestep_spacing": "trailing"})
    write(f"{out}/model_index.json", {
        "_class_name": "StableDiffusionPipeline", "name": "scenes-v1", "training_samples": state["samples"],
        "text_encoder": ["scenes", "TextEncoder"], "tokenizer": ["scenes", "WordTokenizer"], "unet": ["scenes", "UNet"],
        "vae_decoder": ["scenes", "Decoder"], "scheduler": ["diffusers", "DDIMScheduler"]})
    total = 0
    for folder, _, files in os.walk(out):
        for name in files:
            size = os.path.getsize(f"{folder}/{name}")
            total += size
            print(f"{size:9d} {os.path.relpath(f'{folder}/{name}', out)}")
    print(f"{total:9d} total")


if __name__ == "__main__":
    main()
